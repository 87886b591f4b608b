package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"perdure/internal/editdistance"
)

// Load reads a YAML file, then the environment, then validates. Errors name
// the file and line, or the variable.
func Load(path string, environ []string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	c := Default()
	if err := parse(&c, path, data); err != nil {
		return Config{}, err
	}
	if err := c.ApplyEnvironment(environ); err != nil {
		return Config{}, err
	}
	if err := c.Validate(); err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// ApplyEnvironment overlays the PERDURE_... variables of environ ("KEY=VALUE").
func (c *Config) ApplyEnvironment(environ []string) error {
	values := map[string]string{}
	for _, variable := range environ {
		if name, value, ok := strings.Cut(variable, "="); ok && strings.HasPrefix(name, environmentPrefix) {
			values[name] = value
		}
	}
	var errs []error
	for _, f := range fields(c) {
		if text, set := values[f.environmentName()]; set {
			if err := setText(f.value, text); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", f.environmentName(), err))
			}
		}
	}
	return errors.Join(errs...)
}

// UnknownVariables are PERDURE_... variables that set nothing: slips of the pen.
// Variables that container platforms make for a service of our name are left out.
func UnknownVariables(environ []string) []string {
	known := map[string]bool{environmentPrefix + "CONFIG": true}
	for _, f := range fields(new(Config)) {
		known[f.environmentName()] = true
	}
	var unknown []string
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		platform := strings.Contains(name, "_SERVICE_") || strings.Contains(name, "_TCP") || strings.HasPrefix(value, "tcp://")
		if strings.HasPrefix(name, environmentPrefix) && !known[name] && !platform {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	return unknown
}

func parse(c *Config, path string, data []byte) error {
	var document yaml.Node
	if err := yaml.Load(data, &document); err != nil {
		return fmt.Errorf("%s: %s", path, strings.Join(strings.Fields(err.Error()), " "))
	}
	if len(document.Content) == 0 {
		return nil // an empty file sets nothing
	}
	reader := &reader{path: path}
	reader.object(document.Content[0], reflect.ValueOf(c).Elem(), "")
	return errors.Join(reader.errs...)
}

// reader collects every mistake of a file, so that one run shows them all.
type reader struct {
	path string
	errs []error
}

func (r *reader) fail(n *yaml.Node, format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf("%s:%d: %s", r.path, n.Line, fmt.Sprintf(format, args...)))
}

func (r *reader) object(n *yaml.Node, v reflect.Value, prefix string) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // "limits:" with nothing under it
	}
	if n.Kind != yaml.MappingNode {
		r.fail(n, "%s: want keys and values", strings.TrimSuffix(prefix, "."))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		target, known := findKey(v, key.Value)
		switch {
		case !known:
			r.fail(key, "unknown key %q%s", prefix+key.Value, didYouMean(v, key.Value))
		case seen[key.Value]:
			r.fail(key, "key %q is there twice", prefix+key.Value)
		case target.Kind() == reflect.Struct:
			r.object(value, target, prefix+key.Value+".")
		default:
			r.setting(value, target, prefix+key.Value)
		}
		seen[key.Value] = true
	}
}

func (r *reader) setting(n *yaml.Node, v reflect.Value, path string) {
	var err error
	switch {
	case n.Tag == "!!null":
		err = errors.New("has no value")
	case v.Kind() == reflect.Slice:
		err = setSequence(n, v)
	case v.Kind() == reflect.Map:
		err = setMapping(n, v)
	case n.Kind != yaml.ScalarNode:
		err = errors.New("want a single value")
	default:
		err = setText(v, n.Value)
	}
	if err != nil {
		r.fail(n, "%s: %v", path, err)
	}
}

func setSequence(n *yaml.Node, v reflect.Value) error {
	if n.Kind != yaml.SequenceNode {
		return errors.New("want a list")
	}
	list := []string{}
	for _, item := range n.Content {
		if item.Kind != yaml.ScalarNode {
			return errors.New("want a list of texts")
		}
		list = append(list, item.Value)
	}
	v.Set(reflect.ValueOf(list))
	return nil
}

func setMapping(n *yaml.Node, v reflect.Value) error {
	if n.Kind != yaml.MappingNode {
		return errors.New("want names and values")
	}
	m := map[string]string{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i+1].Kind != yaml.ScalarNode {
			return fmt.Errorf("%s: want a text", n.Content[i].Value)
		}
		m[n.Content[i].Value] = n.Content[i+1].Value
	}
	v.Set(reflect.ValueOf(m))
	return nil
}

func findKey(v reflect.Value, key string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if keyOf(v.Type().Field(i)) == key {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// didYouMean names the nearest known key when it is near enough to be a slip.
func didYouMean(v reflect.Value, key string) string {
	best, bestDistance := "", 3
	for i := range v.NumField() {
		name := keyOf(v.Type().Field(i))
		if d := editdistance.Of(name, key, bestDistance); d < bestDistance {
			best, bestDistance = name, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}
