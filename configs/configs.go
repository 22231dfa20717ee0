// Package configs holds the sample configurations.
package configs

import (
	_ "embed"
	"strconv"
	"strings"
)

//go:embed skerry.toml
var sample string

//go:embed recipes.toml
var recipes string

// Recipes returns the MQTT sections of docs/recipes.md, for the broker inside and a collection named home.
func Recipes() string { return recipes }

// Sample returns the configuration that `skerry init` writes for a gateway named name: it runs as it is, without a source, and
// explains the rest in comments. name must not have control characters.
func Sample(name string) []byte {
	return []byte(strings.ReplaceAll(sample, `"@NAME@"`, strconv.Quote(name)))
}
