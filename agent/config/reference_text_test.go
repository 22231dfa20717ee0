package config

// What docs/config.md says beside the tables.
const (
	referenceHead = `# Configuration

<!-- Rendered by a test from the code: go test ./agent/config -run Reference -reference.update -->

One strict TOML file, ` + "`skerry.toml`" + `, and drop-ins beside it. ` + "`skerry init`" + ` writes one that runs as it is and explains itself.

    skerry config check [FILE]     all faults and warnings, or nothing
    skerry config show             what holds, with the file and line that each value comes from

**Files.** ` + "`--config FILE`" + `, else ` + "`./skerry.toml`" + `, else ` + "`/etc/skerry/skerry.toml`" + `. After ` + "`NAME.toml`" + ` come its drop-ins,
` + "`NAME.d/*.toml`" + ` in name order (not those whose name begins with a dot). A later file's keys replace an earlier one's; its
` + "`[[x]]`" + ` entries are added, and one whose ` + "`name`" + ` (of a ` + "`map`" + `: whose ` + "`match`" + `) is there already overrides that entry's keys. The same name twice in one
file is a fault.

**Values.** Durations are strings with a unit: ` + "`\"500ms\"`, `\"10s\"`, `\"1h30m\"`" + `. Relative paths (keys ` + "`socket`, `*_file`, `*_dir`" + `) are
relative to the main file's folder, so a gateway's folder may be moved. Inside strings ` + "`${NAME}`" + ` is the environment variable NAME,
` + "`${NAME:-default}`" + ` with a default where it is unset or empty, and ` + "`$${`" + ` is a plain ` + "`${`" + `; what a variable holds is never read as TOML.

**Secrets** are never in the configuration: keys name files (` + "`password_file`" + `), such as a systemd credential:
` + "`password_file = \"${CREDENTIALS_DIRECTORY}/plant\"`" + `.

**Faults** are all told at once, each as ` + "`FILE:LINE: key: what; hint`" + `; an unknown key names the nearest known one. With a fault
` + "`run`, `demo`, `config check`, `config show` and `id`" + ` exit 78. Warnings are about what is allowed but hardly meant, such as a key that has no effect beside the others.
Reading is never refused for a fault: the other commands tell the faults as warnings, and go on with the default of what is faulty.
`

	referenceTail = `## What sources make of their input

**Times.** With ` + "`time`" + ` a reading has its sensor's time; when the field is missing, unreadable, before 1970 or after 2262 the input
is rejected (reason ` + "`time`" + `). Times without a zone, of ` + "`time_unit = \"iso8601\"`" + `, are those of a clock in ` + "`time_zone`" + `; of an hour
that comes twice when summer ends, the one nearer to the arrival. Without ` + "`time`" + ` the time is that of arrival: of a message when it was read, of a serial frame when its
**first** byte was read. Times are rounded down to the collection's ` + "`precision`" + ` before they are journalled.

**Values.** A number without fraction or exponent is a 64-bit integer, exact; one beyond that is rejected (reason ` + "`value`" + `), because
rounding it would store a wrong value. Any other number is a float64. A series that was a float once stays one: integers up to
2^53 become floats in it. Empty strings, empty objects and arrays, and null are no readings; an input of nothing else is rejected (reason ` + "`empty`" + `). One bad field rejects the whole input:
all of its readings or none.

**Words.** What ` + "`true_values`, `false_values` and `null_values`" + ` list is compared with each value as it is written, before it is typed, in every
field but the time: ` + "`ON`" + ` or ` + "`-999`" + ` in quotes or without. ` + "`-999`" + ` is not ` + "`-999.0`" + `. An input with nothing but such nulls is no fault.

**Scaling.** ` + "`value * scale + offset`" + `, always a float. A scale such as 0.1 or 0.001, one part of a whole number, divides by that
number instead, so decimals stay what they are: 3 scaled by 0.1 is 0.3.

**Names.** ` + "`include`, `exclude`, `rename`, `scale`, `offset`, `unit`" + ` go by the field's name before ` + "`rename`" + `. Keys of scale, offset
and unit may be globs (` + "`\"temp*\" = 0.1`" + `): an exact key wins, then the longest glob. Keys of rename are exact only.

**Maps.** A ` + "`map`" + ` goes by the series' name, after ` + "`rename` and `series`" + `; one applies to a series as a whole, that with its exact name, else
that with the longest glob: [mapping.md](mapping.md).

**Limits.** Nesting, number of fields, lengths of strings and names are bounded: [limits.md](limits.md). Beyond, the input is
rejected (reason ` + "`too_long`" + `).

| format | input |
|---|---|
| ` + "`json`" + ` | Each number, boolean and string becomes a reading named by its path: ` + "`a.b`, `a.0`" + `. Of an array at the top each object is a record with its own time; a bare element is named ` + "`NAME.INDEX`" + `, NAME as format value has it. A key twice in one object is a syntax error. |
| ` + "`keyvalue`" + ` | ` + "`temp=21.5 hum=40 state=\"on fire\"`" + `. Pairs end at space, tab, comma, semicolon or line end; with ` + "`separator`" + ` only at that and at line ends. In quotes, ` + "`\\\"`, `\\\\`, `\\n`, `\\t`" + `; what is quoted is a string. A key without a value is skipped. |
| ` + "`csv`" + ` | Rows as in RFC 4180, each a record. A row must have a cell for each column; empty ones behind are allowed. A column named ` + "`\"\"`" + ` is skipped, and so are empty cells. |
| ` + "`value`" + ` | One value: a number, true, false, nan, inf, else a string. Its name is the last level of the topic; on a serial line the source's name. |
| ` + "`influx`" + ` | InfluxDB's line protocol, a record a line: ` + "`cpu,host=a usage=0.5,n=3i 1700000000000000000`" + `. See below. |
| ` + "`nmea`" + ` | NMEA 0183, a record a sentence: ` + "`$GPRMC,…*70`" + `. See below. |
| ` + "`regex`" + ` | Named groups of ` + "`pattern`" + ` become fields: numbers, true, false, nan, inf, else strings; blanks around them are cut off. Each match is a record, and what stands between is not looked at; no match is a fault. Line ends behind the input are cut off, so ` + "`$`" + ` is its end. Bytes outside of the groups need not be UTF-8. |
| ` + "`sparkplug`" + ` | Sparkplug B, over MQTT only: births, data and deaths of edge nodes. See [sparkplug.md](sparkplug.md). |

**Header of csv.** With ` + "`header = true`" + ` the first row of an input may be a header: all its cells are names, that is, not empty, not
true, false, nan or inf, and not beginning with a digit, sign or point. With ` + "`columns`" + ` it is skipped; without, it names the cells of the
rows after it: on a serial line until the next header, in an MQTT message for that message alone. A row before any header is rejected.

**Influx.** A field is named ` + "`measurement.field`" + `, and ` + "`include`, `rename`, `scale`" + ` and the others go by that. The line's tags become tags, over
those of the topic and under those of ` + "`tags`" + `; a line with a tag ` + "`source`" + ` is rejected unless ` + "`tag_source = false`" + `. In ` + "`series`" + ` there are also
` + "`{measurement}`, `{key}`" + ` (the field without its measurement) and the line's tags, in ` + "`tags`" + ` all of these but ` + "`{key}`" + `. ` + "`3i`" + ` is an integer, ` + "`3u`" + ` too unless it
is beyond 2^63-1, which is rejected; ` + "`3`" + ` is a float. Each line has its time, or that of arrival.

**NMEA.** Sentences of any talker, with the names and units of this table; what is empty, or said to be invalid (status V, mode N, quality
0), is no reading. A wrong checksum is reason ` + "`checksum`" + `; AIS and other sentences are reason ` + "`unsupported`" + `, which is counted and not logged.
With ` + "`sentences`" + ` all others are skipped: RMC, GGA and GLL of one receiver say the same position three times. In ` + "`series` and `tags`" + ` there are
` + "`{talker}`" + ` and ` + "`{sentence}`" + `.

| sentence | readings |
|---|---|
| RMC | latitude, longitude (°, north and east positive), speed (kn), course (°), variation (°, east positive) |
| GGA, GNS | satellites, GGA also fix_quality; with a fix latitude, longitude, hdop, altitude (m) |
| GLL | latitude, longitude |
| VTG | course, course_magnetic (°), speed (kn) |
| VHW | heading, heading_magnetic (°), speed_water (kn) |
| HDT, HDM, HDG | heading; heading_magnetic; heading_magnetic, deviation, variation (°) |
| ROT | rate_of_turn (°/min) |
| DBT, DBS, DBK | depth below transducer, depth_surface, depth_keel (m; from feet or fathoms where they are alone) |
| DPT | depth, depth_offset (m) |
| MWV | wind_angle_apparent, wind_speed_apparent, or wind_angle_true, wind_speed_true (° from the bow, kn from any unit) |
| VWR, VWT | the same, apparent and true |
| MWD | wind_direction, wind_direction_magnetic (°), wind_speed (kn) |
| MTW, MTA | water_temperature; air_temperature (°C) |
| MMB | pressure (hPa) |
| MDA | pressure (hPa), air_temperature, water_temperature, dew_point (°C), humidity (%), and those of MWD |
| XDR | xdr.NAME of each transducer, with its unit |
| ZDA | none: it says what day it is |

With ` + "`time = \"utc\"`" + ` RMC, GGA, GNS and GLL are at the time that they hold. Those without a date are of the day nearest to the latest RMC or
ZDA of the line (not older than 12 h), else nearest to the arrival, if the clock is known to be right. All others have the time of arrival.

**Serial lines.** What a real port sends within 50 ms of opening counts as the rest of a frame that began before (reason ` + "`noise`" + `), up
to the next delimiter or silence. A line that pauses for 10 s in its middle is spoilt: what was there is counted as noise together with
its end. A frame longer than ` + "`max_frame`" + ` is skipped to its end (reason ` + "`too_long`" + `); reading goes on behind it.

**Reasons** for which input is rejected: ` + "`syntax`, `empty`, `time`, `value`, `name`, `too_long`, `series_limit`, `noise`, `checksum`, `unsupported`" + `. Each is counted, and
` + "`skerry status`" + ` shows the latest sample of it, its first 200 bytes.
`
)

// sectionWords is what is said of a section before its table.
func sectionWords() map[string]string {
	return map[string]string{
		"[store]":                          "What each setting can lose: [operations.md](operations.md).\n\n",
		"[mqtt.broker]":                    "The broker inside: [mqtt.md](mqtt.md).\n\n",
		"[[mqtt.acl]]":                     "What clients of the broker inside may do: [mqtt.md](mqtt.md#who-may-do-what). Without any section: everything.\n\n",
		"[[collection]]":                   "One section for each collection. A block is sealed when any of its limits is reached.\n\n",
		"[[source.mqtt]]":                  "One section for each source. The name is the tag `source` of its readings; no two sources share one.\n\n",
		"[[source.serial]]":                "One section for each source. The decoder's keys are those of `[[source.mqtt]]`, without a topic.\n\n",
		"[[source.modbus]]":                "One section for each bus, with the slaves and registers in sections below it: [modbus.md](modbus.md).\n\n",
		"[[source.modbus.slave]]":          "One section for each slave of the bus above. A slave's name is the tag `slave` of its readings.\n\n",
		"[[source.modbus.slave.register]]": "One section for each value of the slave above. Several are shorter as `register = [ { … }, { … } ]`.\n\n",

		"[[source.mqtt.map]]":   "What becomes of a series' readings: their type, and which are kept: [mapping.md](mapping.md). It belongs to the `[[source.mqtt]]` above it.\n\n",
		"[[source.serial.map]]": "The same for a serial line.\n\n",
		"[[source.modbus.map]]": "The same for a bus; but values have the registers' types.\n\n",
	}
}

// requiredKeys have no default: without them an entry is a fault.
func requiredKeys() []string {
	return []string{
		"collection.name",
		"source.mqtt.name", "source.mqtt.broker", "source.mqtt.topics", "source.mqtt.format", "source.mqtt.collection",
		"source.serial.name", "source.serial.device", "source.serial.format", "source.serial.collection",
		"source.modbus.name", "source.modbus.device", "source.modbus.slave", "source.modbus.collection",
		"source.modbus.slave.name", "source.modbus.slave.unit_id", "source.modbus.slave.register",
		"source.modbus.slave.register.name", "source.modbus.slave.register.address",
		"source.mqtt.map.match", "source.serial.map.match", "source.modbus.map.match",
	}
}

// referenceWords are meanings where a field's comment is for readers of the code. "source.*" is of both kinds of sources.
func referenceWords() map[string]string {
	return map[string]string{
		"gateway.data_dir":        "the store's folder",
		"gateway.identity_file":   "the gateway's key, readable by its user only; `skerry init` makes it",
		"gateway.trust_clock":     "take the clock as right although the kernel does not say so, as in some containers",
		"log.level":               "`debug`, `info`, `warn` or `error`; the log goes to standard error",
		"log.format":              "`text` or `json`",
		"api.socket":              "the unix socket that the skerry commands talk to",
		"api.listen":              "host:port of the TCP door, as in `127.0.0.1:7380`; empty: it is closed. See [api.md](api.md#over-tcp)",
		"api.token_file":          "file with the token that whoever comes by TCP must know; made, readable by the agent's user only, when it is not there",
		"api.allow_hosts":         "names by which the TCP door may be asked for, besides `localhost`, loopback addresses and the address that was connected to",
		"api.cert_file":           "PEM file with the TCP door's certificate; with it the door speaks TLS only. Read again when it changes",
		"api.key_file":            "PEM file with the certificate's key",
		"api.allow_cleartext":     "let other machines reach the TCP door without TLS",
		"store.durability":        "`sync`: every group is synced at once; `interval`: serial and QoS 0 input is held for `interval`. Empty: the profile decides, else `sync`",
		"store.interval":          "how long input that cannot wait is held, with durability `interval`: what a power cut may cost; 1 s to 10 m",
		"store.ack_max_wait":      "how long a message that waits for its acknowledgement is held, with durability `interval`; 10 ms to 30 s",
		"store.profile":           "`sdcard`: durability `interval` unless `durability` says otherwise",
		"collection.name":         "1 to 256 bytes; names beginning with `_` are reserved",
		"collection.kind":         "`events`: sensor readings",
		"collection.precision":    "`ms`, `us` or `ns`: times are rounded down to it before the journal",
		"collection.max_readings": "readings of a block, 1 to 65536",
		"collection.max_bytes":    "bytes of a block's payload, 1024 to 196608",
		"collection.max_delay":    "age at which a reading is sealed: from 64 readings on, fewer after 60 s; 100 ms to 1 h",
		"collection.priority":     "`low`, `normal` or `alarm`; `alarm` seals within 1 s, and at once when nothing else is on its way. `low` and `normal` have no effect until there is retention",
		"collection.seal":         "`fast`: seals as priority `alarm` does",

		"gateway.name":                "for people; the key is what identifies a gateway. At most 64 bytes",
		"mqtt.broker.listen":          "`127.0.0.1:1883`; empty: off; port 0: any that is free",
		"mqtt.broker.tls_listen":      "`0.0.0.0:8883`; empty: off. TLS 1.2 or newer",
		"mqtt.broker.cert_file":       "the broker's certificate, in PEM; those between it and its root may follow. With `key_file`, `client_ca_file` and `users_file` read again when it changes",
		"mqtt.broker.key_file":        "the certificate's key, in PEM, readable by the agent only",
		"mqtt.broker.client_ca_file":  "the authorities whose certificates clients show, in PEM; empty: none is asked for",
		"mqtt.broker.client_cert":     "`require` or `optional`, with `client_ca_file`",
		"mqtt.broker.cert_user":       "`cn`: a client is the user that its certificate's common name says; `san`: its first DNS name, else e-mail address, else URI. Empty: the certificate only opens the door",
		"mqtt.broker.users_file":      "lines `name:hash`, made with `skerry mqtt passwd`; empty: nobody is asked for a password",
		"mqtt.broker.message_rate":    "messages a second of one client, 0 to 1000000; 0: without limit",
		"mqtt.broker.byte_rate":       "bytes a second of one client, 1024 to 1073741824, all packets counted; 0: without limit",
		"mqtt.broker.over_rate":       "`wait`: a client beyond its rate is not read until it is within; `drop_qos0`: its messages of QoS 0 are dropped and counted, and the others wait",
		"mqtt.broker.connect_rate":    "connections a second from one address (IPv6: one /64), 0 to 1000, after `max_clients` at once; 0: without limit",
		"mqtt.broker.allow_anonymous": "clients without a name come in: needed where `users_file` asks others for one, and to listen where other machines reach it and nobody is asked",

		"mqtt.acl.users":                   "names of users; `*`: every client that has one, by password or certificate",
		"mqtt.acl.anonymous":               "the rule is for clients without a name, too",
		"mqtt.acl.read":                    "filters that may be subscribed to, and all that they cover; `%u` is the user, `%c` the client id",
		"mqtt.acl.write":                   "filters of topics that may be published to, wills too; `%u` and `%c` likewise",
		"mqtt.broker.max_clients":          "clients connected at a time, 1 to 10000; one more is refused",
		"mqtt.broker.max_inflight":         "messages of one client that wait for their commit, 1 to 65535; more wait in its socket",
		"mqtt.broker.max_packet":           "bytes of one packet, 1024 to 16777216; a longer one ends its connection",
		"source.serial.parity":             "`none`, `odd` or `even`",
		"source.mqtt.ca_file":              "the authorities that the broker's certificate may be by, in PEM; empty: those that this machine trusts. This and the next keys are for `tls://`; files are read at each connect",
		"source.mqtt.cert_file":            "our certificate, in PEM, where the broker wants one",
		"source.mqtt.key_file":             "the certificate's key, in PEM, readable by the agent only",
		"source.mqtt.server_name":          "the name that the broker's certificate must be for; empty: the host in `broker`",
		"source.mqtt.insecure_skip_verify": "take any certificate. Whoever is between this machine and the broker reads and changes everything, the password too; `skerry status` says so",

		"source.*.name":             "1 to 256 bytes; names beginning with `_` are reserved",
		"source.mqtt.broker":        "`inside`, or `tcp://host:1883` or `tls://host:8883` of a broker elsewhere",
		"source.mqtt.topics":        "`{x}` is one level and becomes the tag x; `+` and `#` as in MQTT",
		"source.mqtt.qos":           "0, 1 or 2: the most that is asked for of a broker elsewhere; no effect with broker `inside`, where the sender chooses",
		"source.mqtt.username":      "of a broker elsewhere; empty: anonymous",
		"source.mqtt.password_file": "a file with the password alone, read at each connect; one newline at its end is not part of it",
		"source.mqtt.client_id":     "at most 128 bytes; empty: made of the gateway's key and the source's name",
		"source.mqtt.keep_alive":    "a silent broker elsewhere is left after 1.5 times this; 5 s to 1 h",
		"source.mqtt.max_inflight":  "messages of a broker elsewhere that are taken and not yet durable, 1 to 65535",
		"source.serial.device":      "an absolute path; a bare name is one of `/dev/serial/by-id`, a bare ttyX one of `/dev`",
		"source.serial.baud":        "a rate that Linux knows, 50 to 4000000",
		"source.serial.delimiter":   "1 to 16 bytes, for framing `delimiter`; escapes as in Go: `'\\x03'`, `'\\r'`",
		"source.serial.length":      "bytes of each frame, for framing `length`",
		"source.serial.silence":     "ends a frame (`silence`), or begins a fixed length anew (`length`); 20 ms to 1 m",
		"source.serial.max_frame":   "bytes, 1 to 1048576; longer frames are counted and skipped",
		"source.serial.framing":     "what ends a frame: `line` (\\n; \\r around it is no part), `delimiter`, `length`, `silence`",

		"source.modbus.device":     "the serial bus, as of `[[source.serial]]`; needed without `address`",
		"source.modbus.address":    "instead of `device`: `tcp://host:502`, or `rtuovertcp://host:port` of a converter that passes RTU frames on",
		"source.modbus.baud":       "a rate that Linux knows, 50 to 4000000",
		"source.modbus.parity":     "`none`, `odd` or `even`",
		"source.modbus.rs485":      "the kernel switches the transmitter by RTS; for ports on the board, adapters on USB switch by themselves",
		"source.modbus.interval":   "between two polls of a register; 10 ms to 24 h",
		"source.modbus.timeout":    "until a slave begins to answer; 10 ms to 1 m",
		"source.modbus.retries":    "repeats of a poll that has no answer, each at the slave's next turn; 0 to 10",
		"source.modbus.turnaround": "more silence before each request, besides the 3.5 characters that the bus needs; 0 s to 1 s",
		"source.modbus.max_gap":    "registers that nobody asked for and one request may read over; 0: none. 0 to 125",

		"source.modbus.slave.name":       "the tag `slave`",
		"source.modbus.slave.unit_id":    "the slave's address, 1 to 255 on a serial bus, with TCP also 0",
		"source.modbus.slave.interval":   "0: the bus's; 10 ms to 24 h",
		"source.modbus.slave.byte_order": "`big` or `little`: of the two bytes of a register",
		"source.modbus.slave.word_order": "`big` or `little`: of the registers of a value; `little` is what manuals call CDAB or swapped",
		"source.modbus.slave.tags":       "more tags of all readings of the slave",

		"source.modbus.slave.register.name":          "the series",
		"source.modbus.slave.register.table":         "`holding`, `input`, `coil` or `discrete`",
		"source.modbus.slave.register.address":       "0 to 65535, counted from 0: what manuals call 40001, 30001 or 1 is 0",
		"source.modbus.slave.register.type":          "`bool`, `int16`, `uint16`, `int32`, `uint32`, `int64`, `uint64`, `float32`, `float64` or `string`. Empty: `bool` of bits, else `uint16`",
		"source.modbus.slave.register.bit":           "0 to 15, from the lowest: the value is that bit of the register",
		"source.modbus.slave.register.length":        "registers of a string, 1 to 125; two characters each",
		"source.modbus.slave.register.byte_order":    "empty: the slave's",
		"source.modbus.slave.register.word_order":    "empty: the slave's",
		"source.modbus.slave.register.scale":         "factor; not 0. A scaled value is a float, a whole number without scale stays one",
		"source.modbus.slave.register.offset":        "what is added after scaling",
		"source.modbus.slave.register.scale_address": "address of a register of the same table with the power of ten to multiply with, as of SunSpec's scale factors; both are read in one request",
		"source.modbus.slave.register.unit":          "at most 64 bytes",
		"source.modbus.slave.register.interval":      "0: the slave's; 10 ms to 24 h",
		"source.modbus.slave.register.no_value":      "what the slave gives when it has no value: patterns `\"0x8000\"`, numbers before scale `\"-32768\"`, `\"nan\"`. Then there is no reading",

		"source.*.format":               "`json`, `keyvalue`, `csv`, `value`, `influx`, `nmea`, `regex` or `sparkplug`: see below; what devices send: [recipes.md](recipes.md)",
		"source.*.time":                 "the field that holds the time, as a path: `ts`, `meta.time`; it is no reading itself; `utc` for `nmea`. Empty: the time of arrival, for `influx` that of the line",
		"source.*.time_unit":            "`s`, `ms`, `us`, `ns`, `rfc3339` (with a zone) or `iso8601` (with or without); needed with `time`. For `influx` what the lines' time counts; empty: `ns`",
		"source.*.time_zone":            "of times without one, with `iso8601`: `UTC`, `Local` or a name such as `Europe/Berlin`",
		"source.*.series":               "template of the series' name: `{field}`, `{topic}`, `{topic.2}` (levels from 1), `{source}`, any tag, or a word of the format. Empty: `{field}`",
		"source.*.tags":                 "more tags, as templates without `{field}`; they override those of the topic",
		"source.*.tag_source":           "every reading has the tag `source` with the source's name",
		"source.*.include":              "globs of fields (`*`: any characters); none: all",
		"source.*.exclude":              "globs of fields to leave out; wins over `include`",
		"source.*.rename":               "other names of fields, by their exact name",
		"source.*.scale":                "factors, by field or glob; not 0",
		"source.*.offset":               "what is added after scaling, by field or glob",
		"source.*.unit":                 "units, by field or glob; at most 64 bytes",
		"source.*.columns":              "names of the cells, for `csv`; `\"\"` skips a cell",
		"source.*.header":               "lines of names may come, for `csv`: see below",
		"source.*.separator":            "one ASCII character, for `csv` (empty: a comma) and `keyvalue` (empty: blanks, commas, semicolons)",
		"source.*.type":                 "for `value`: `auto`, `float`, `int`, `bool` (also 1, 0, on, off), `string`; what does not fit is rejected. Empty: `auto`",
		"source.*.root":                 "path of the object that holds the fields, for `json`; names begin below it, and nothing else is looked at but `time`, a path from the top",
		"source.*.rebirth":              "ask edge nodes of format `sparkplug` for their births where they are needed, at most every 30 s",
		"source.*.pattern":              "RE2 expression with named groups, for `regex`: `'(?P<weight>[0-9.]+) kg'`; at most 4096 bytes",
		"source.*.sentences":            "types of sentences to read, for `nmea`, such as `RMC`; none: all that it knows",
		"source.*.checksum":             "for `nmea`: `required`, or `optional`: checked where there is one. Empty: `required`",
		"source.*.true_values":          "texts or numbers, as they are written, that are true: `ON`",
		"source.*.false_values":         "texts or numbers that are false: `OFF`",
		"source.*.null_values":          "texts or numbers that are no reading: `unavailable`",
		"source.*.max_series":           "series of the source, 0 to 1000000 (0: 10000); a message with one more is rejected",
		"source.*.collection":           "the `[[collection]]` that the readings go to",
		"source.*.dedup":                "`series_time`: a reading whose series, time and value were there within the window is dropped and counted",
		"source.*.map.match":            "a series' name as `query` shows it, or a glob (`*`: any characters); the exact name wins, then the longest glob. It tells entries apart: one with the same in a drop-in overrides its keys",
		"source.*.map.type":             "`float`, `int`, `bool` or `string`: values become that exactly, or the input is rejected (reason `value`). Empty: what they are",
		"source.*.map.deadband":         "a change of no more than this from the last value that was kept is none; in the value's unit, after scaling",
		"source.*.map.deadband_percent": "likewise, in percent of the last kept value's magnitude, 0 to 100; with both the larger counts",
		"source.*.map.heartbeat":        "a reading this much later than the last that was kept is kept though nothing changed; at least `min_interval`. 0s: none",
		"source.*.map.min_interval":     "a reading nearer than this to the last that was kept is dropped. 0s: none",
		"source.*.map.on_change":        "only a value that differs from the last that was kept is kept",

		"source.*.dedup_window": "how far back, 1 s to 24 h, since the agent started; of more than 50000 readings in it the oldest may be forgotten",
	}
}
