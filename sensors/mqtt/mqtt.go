// Package mqtt receives readings from MQTT clients and brokers.
//
// A Broker is the broker inside: clients publish to it, and a message is acknowledged after the fsync
// that made its readings durable. A Client subscribes to a broker elsewhere, and acknowledges likewise.
package mqtt
