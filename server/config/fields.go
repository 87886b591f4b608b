package config

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// field is one setting that has a value of its own, found by reflection.
type field struct {
	path        string // dotted, as in YAML
	value       reflect.Value
	tag         reflect.StructTag
	defaultText string
}

// environmentName is the variable that sets the field.
func (f field) environmentName() string {
	return environmentPrefix + strings.ToUpper(strings.ReplaceAll(f.path, ".", "_"))
}

const environmentPrefix = "PERDURE_"

// fields walks all settings in order of declaration. c is a pointer to a struct.
func fields(c any) []field {
	var found []field
	walk(reflect.ValueOf(c).Elem(), "", &found)
	return found
}

func walk(v reflect.Value, prefix string, found *[]field) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		path := prefix + keyOf(f)
		if f.Type.Kind() == reflect.Struct {
			walk(v.Field(i), path+".", found)
			continue
		}
		*found = append(*found, field{path, v.Field(i), f.Tag, f.Tag.Get("default")})
	}
}

// keyOf is the field's name in snake case: GRPCPort is grpc_port, BuildIDsMax is build_ids_max.
func keyOf(f reflect.StructField) string {
	var b strings.Builder
	runes := []rune(f.Name)
	for i, r := range runes {
		startsWord := i > 0 && unicode.IsUpper(r) &&
			(unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]) && !isPlural(runes[i+1:]))
		if startsWord {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// isPlural tells whether an abbreviation goes on with the s of its plural.
func isPlural(rest []rune) bool {
	return rest[0] == 's' && (len(rest) == 1 || unicode.IsUpper(rest[1]))
}

var durationType = reflect.TypeFor[time.Duration]()

// setText reads one value as people write it: 10s, 2MiB, true, a,b or k=v,k=v.
func setText(v reflect.Value, text string) error {
	if v.Type() == durationType {
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is no duration; want for example 10s or 2m", text)
		}
		v.SetInt(int64(d))
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
		return nil
	case reflect.Bool:
		return setBool(v, text)
	case reflect.Int, reflect.Int64:
		return setInt(v, text)
	case reflect.Float64:
		return setFloat(v, text)
	case reflect.Slice:
		v.Set(reflect.ValueOf(splitList(text)))
		return nil
	default:
		return setMap(v, text)
	}
}

func setBool(v reflect.Value, text string) error {
	b, err := strconv.ParseBool(text)
	if err != nil {
		return fmt.Errorf("%q is neither true nor false", text)
	}
	v.SetBool(b)
	return nil
}

func setInt(v reflect.Value, text string) error {
	n, err := parseSize(text)
	if err != nil {
		return err
	}
	v.SetInt(n)
	return nil
}

func setFloat(v reflect.Value, text string) error {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return fmt.Errorf("%q is no number", text)
	}
	v.SetFloat(n)
	return nil
}

// parseSize reads an integer with an optional KiB, MiB or GiB.
func parseSize(text string) (int64, error) {
	number, factor := text, int64(1)
	for suffix, f := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if rest, ok := strings.CutSuffix(text, suffix); ok {
			number, factor = strings.TrimSpace(rest), f
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n > math.MaxInt64/factor || n < math.MinInt64/factor {
		return 0, fmt.Errorf("%q is no whole number", text)
	}
	return n * factor, nil
}

func splitList(text string) []string {
	var list []string
	for _, item := range strings.Split(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

func setMap(v reflect.Value, text string) error {
	m := map[string]string{}
	for _, item := range splitList(text) {
		key, value, found := strings.Cut(item, "=")
		if !found || key == "" {
			return fmt.Errorf("%q is no NAME=VALUE", item)
		}
		m[key] = value
	}
	v.Set(reflect.ValueOf(m))
	return nil
}
