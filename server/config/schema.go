package config

import (
	"encoding/json"
	"reflect"
	"strings"
)

// Schema is the JSON schema (draft 2020-12) of the YAML file.
func Schema() string {
	schema := objectSchema(reflect.TypeFor[Config]())
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["title"] = "Perdure server configuration"
	text, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		panic(err) // maps and texts always have a JSON form
	}
	return string(text) + "\n"
}

func objectSchema(t reflect.Type) map[string]any {
	properties := map[string]any{}
	for i := range t.NumField() {
		f := t.Field(i)
		property := valueSchema(f.Type)
		property["description"] = f.Tag.Get("doc")
		if text := f.Tag.Get("default"); text != "" {
			property["default"] = defaultValue(f.Type, text)
		}
		if enum := f.Tag.Get("enum"); enum != "" {
			property["enum"] = strings.Split(enum, ",")
		}
		properties[keyOf(f)] = property
	}
	return map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
}

func valueSchema(t reflect.Type) map[string]any {
	if t == durationType {
		return map[string]any{"type": "string", "examples": []string{"10s", "2m"}}
	}
	switch t.Kind() {
	case reflect.Struct:
		return objectSchema(t)
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": []string{"integer", "string"}, "pattern": `^[0-9]+ ?(KiB|MiB|GiB)?$`}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": map[string]any{"type": "string"}}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": map[string]any{"type": "string"}}
	default:
		return map[string]any{"type": "string"}
	}
}

// defaultValue gives the default in the type the schema promises.
func defaultValue(t reflect.Type, text string) any {
	v := reflect.New(t).Elem()
	if err := setText(v, text); err != nil {
		panic(err) // Default has read the same text
	}
	if t == durationType {
		return text
	}
	return v.Interface()
}
