package config

import (
	"reflect"
	"time"

	"github.com/skerry-edge/skerry/ingest"
	"github.com/skerry-edge/skerry/sensors/decode"
	"github.com/skerry-edge/skerry/sensors/modbus"
	"github.com/skerry-edge/skerry/sensors/mqtt"
	"github.com/skerry-edge/skerry/sensors/serial"
)

// defaultDedupWindow is Target.DedupWindow where the file does not say.
const defaultDedupWindow = 10 * time.Minute

// entryDefault returns an entry of a list as it is before its keys are applied.
func entryDefault(t reflect.Type) reflect.Value {
	target := Target{DedupWindow: defaultDedupWindow}
	switch t {
	case reflect.TypeFor[ingest.CollectionConfig]():
		return reflect.ValueOf(ingest.DefaultCollectionConfig())
	case reflect.TypeFor[MQTTSource]():
		return reflect.ValueOf(MQTTSource{mqtt.DefaultSourceConfig(), decode.DefaultConfig(), target})
	case reflect.TypeFor[SerialSource]():
		return reflect.ValueOf(SerialSource{serial.DefaultConfig(), decode.DefaultConfig(), target})
	case reflect.TypeFor[ModbusSource]():
		return reflect.ValueOf(ModbusSource{modbus.DefaultConfig(), serial.DefaultLineConfig(), target})
	case reflect.TypeFor[modbus.SlaveConfig]():
		return reflect.ValueOf(modbus.DefaultSlaveConfig())
	case reflect.TypeFor[modbus.RegisterConfig]():
		return reflect.ValueOf(modbus.DefaultRegisterConfig())
	}
	return reflect.Zero(t)
}
