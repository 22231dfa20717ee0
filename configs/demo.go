package configs

import (
	_ "embed"
	"strconv"
	"strings"
)

//go:embed demo.toml
var demo string

// Demo returns the drop-in with the sources of `skerry demo`: a serial line at device, and MQTT.
func Demo(device string) []byte {
	return []byte(strings.ReplaceAll(demo, `"@DEVICE@"`, strconv.Quote(device)))
}
