package decode

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adrianmo/go-nmea"
	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/sensors"
)

// summed puts $ before a sentence and its checksum behind.
func summed(body string) string {
	var sum byte
	for i := range len(body) {
		sum ^= body[i]
	}
	return fmt.Sprintf("$%s*%02X", body, sum)
}

func TestNMEA_sentences(t *testing.T) {
	for _, c := range []struct {
		body string
		want []string
	}{
		{"GPRMC,220516,A,5133.82,N,00042.24,W,173.8,231.8,130694,004.2,W", []string{
			"latitude[°] float 51.56366666666667", "longitude[°] float -0.704", "speed[kn] float 173.8", "course[°] float 231.8", "variation[°] float -4.2",
		}},
		{"GNRMC,102014.00,A,5550.6082,S,03732.2488,E,0.02,,300518,,,A,V", []string{"latitude[°] float -55.84347", "longitude[°] float 37.53748", "speed[kn] float 0.02"}},
		{"GPRMC,,V,,,,,,,,,,N", nil},
		{"GPRMC,220516,V,5133.82,N,00042.24,W,173.8,231.8,130694,004.2,W", nil},
		{"GPRMC,220516,A,5133.82,N,00042.24,W,173.8,231.8,130694,004.2,W,N", nil},
		{"GNGGA,203415.000,6325.6138,N,01021.4290,E,1,8,2.42,72.5,M,41.5,M,,", []string{
			"fix_quality int 1", "satellites int 8", "latitude[°] float 63.426896666666664", "longitude[°] float 10.35715", "hdop float 2.42", "altitude[m] float 72.5",
		}},
		{"GPGGA,203415.000,6325.6138,N,01021.4290,E,0,0,99.9,72.5,M,41.5,M,,", []string{"fix_quality int 0", "satellites int 0"}},
		{"GPGGA,,,,,,0,00,99.99,,,,,,", []string{"fix_quality int 0", "satellites int 0"}},
		{"GPGGA,203415,6325.6138,N,01021.4290,E,8,08,,,M,,M,,", []string{"fix_quality int 8", "satellites int 8", "latitude[°] float 63.426896666666664", "longitude[°] float 10.35715"}},
		{"GNGNS,014035.00,4332.69262,S,17235.48549,E,RR,13,0.9,25.63,11.24,,", []string{
			"satellites int 13", "latitude[°] float -43.544877", "longitude[°] float 172.59142483333332", "hdop float 0.9", "altitude[m] float 25.63",
		}},
		{"GNGNS,014035.00,,,,,NN,0,,,,,", []string{"satellites int 0"}},
		{"GPGLL,3926.7952,N,12000.5947,W,022732,A,A", []string{"latitude[°] float 39.44658666666667", "longitude[°] float -120.00991166666667"}},
		{"GPGLL,3926.7952,N,12000.5947,W,022732,V,N", nil},
		{"GPVTG,45.5,T,67.5,M,30.45,N,56.40,K", []string{"course[°] float 45.5", "course_magnetic[°] float 67.5", "speed[kn] float 30.45"}},
		{"GPVTG,,T,,M,,N,18.52,K,A", []string{"speed[kn] float 10"}},
		{"GPVTG,45.5,T,67.5,M,30.45,N,56.40,K,N", nil},
		{"GPZDA,172809.456,12,07,1996,00,00", nil},
		{"VWVHW,45.0,T,43.0,M,3.5,N,6.4,K", []string{"heading[°] float 45", "heading_magnetic[°] float 43", "speed_water[kn] float 3.5"}},
		{"HEHDT,123.456,T", []string{"heading[°] float 123.456"}},
		{"HCHDM,093.8,M", []string{"heading_magnetic[°] float 93.8"}},
		{"HCHDG,98.3,0.1,E,12.6,W", []string{"heading_magnetic[°] float 98.3", "deviation[°] float 0.1", "variation[°] float -12.6"}},
		{"HEROT,-12.3,A", []string{"rate_of_turn[°/min] float -12.3"}},
		{"HEROT,-12.3,V", nil},
		{"IIDBT,032.93,f,010.04,M,005.42,F", []string{"depth[m] float 10.04"}},
		{"IIDBT,10,f,,M,,F", []string{"depth[m] float 3.048"}},
		{"IIDBS,,f,,M,2,F", []string{"depth_surface[m] float 3.6576"}},
		{"SDDBK,12.3,f,3.7,M,2.0,F", []string{"depth_keel[m] float 3.7"}},
		{"SDDPT,0.5,-0.5", []string{"depth[m] float 0.5", "depth_offset[m] float -0.5"}},
		{"SDDPT,,", nil},
		{"WIMWV,12.1,T,10.1,N,A", []string{"wind_angle_true[°] float 12.1", "wind_speed_true[kn] float 10.1"}},
		{"WIMWV,214.8,R,18.52,K,A", []string{"wind_angle_apparent[°] float 214.8", "wind_speed_apparent[kn] float 10"}},
		{"WIMWV,214.8,R,463,M,A", []string{"wind_angle_apparent[°] float 214.8", "wind_speed_apparent[kn] float 900"}},
		{"WIMWV,214.8,R,10,N,V", nil},
		{"WIMWV,,R,,N,A", nil},
		{"WIMWD,10.1,T,11.2,M,12.3,N,6.3,M", []string{"wind_direction[°] float 10.1", "wind_direction_magnetic[°] float 11.2", "wind_speed[kn] float 12.3"}},
		{"IIVWR,75,R,1.0,N,0.51,M,1.85,K", []string{"wind_angle_apparent[°] float 75", "wind_speed_apparent[kn] float 1"}},
		{"IIVWR,75,L,,N,463,M,,K", []string{"wind_angle_apparent[°] float 285", "wind_speed_apparent[kn] float 900"}},
		{"IIVWT,0,L,1.0,N,0.51,M,1.85,K", []string{"wind_angle_true[°] float 0", "wind_speed_true[kn] float 1"}},
		{"IIMTW,17.9,C", []string{"water_temperature[°C] float 17.9"}},
		{"IIMTA,13.3,C", []string{"air_temperature[°C] float 13.3"}},
		{"WIMMB,29.9870,I,1.0154,B", []string{"pressure[hPa] float 1015.4"}},
		{"WIMDA,30.2269,I,1.0236,B,17.7,C,,,43.3,,5.0,C,131.5,T,128.6,M,0.8,N,0.4,M", []string{
			"pressure[hPa] float 1023.6", "air_temperature[°C] float 17.7", "humidity[%] float 43.3", "dew_point[°C] float 5",
			"wind_direction[°] float 131.5", "wind_direction_magnetic[°] float 128.6", "wind_speed[kn] float 0.8",
		}},
		{"WIXDR,C,019.5,C,AIR,P,1.02481,B,Barometer,H,55.2,P,0,A,-3.1,D,PTCH", []string{
			"xdr.AIR[°C] float 19.5", "xdr.Barometer[bar] float 1.02481", "xdr.0[%] float 55.2", "xdr.PTCH[°] float -3.1",
		}},
		{"YXXDR,P,100000,P,,G,,,X,U,12.6,V,BAT", []string{"xdr.P[Pa] float 100000", "xdr.BAT[V] float 12.6"}},
	} {
		t.Run(c.body[2:5], func(t *testing.T) {
			d := newFormat(t, Config{Format: formatNMEA}).Decoder()
			got, err := d.Decode(nil, arrived("", summed(c.body)+"\r"))
			if err != nil {
				t.Fatalf("%s: %v", c.body, err)
			}
			if c.want == nil {
				c.want = []string{}
			}
			if diff := cmp.Diff(c.want, show(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.body, diff)
			}
		})
	}
}

func TestNMEA(t *testing.T) {
	depth, wind := summed("SDDPT,3.5,"), summed("WIMWV,12,R,5,N,A")
	runCases(t, formatNMEA, []decodeCase{
		{name: "several", payload: depth + "\r\n\r\n" + wind + "\r\n", want: []string{"depth[m] float 3.5", "wind_angle_apparent[°] float 12", "wind_speed_apparent[kn] float 5"}},
		{name: "small hexadecimal", payload: strings.ToLower(depth)[:1] + depth[1:len(depth)-2] + strings.ToLower(depth[len(depth)-2:]), want: []string{"depth[m] float 3.5"}},
		{name: "tag block", payload: `\s:r003669945,c:1120959341*5B\` + depth, want: []string{"depth[m] float 3.5"}},
		{name: "open tag block", payload: `\s:r003669945` + depth, reason: sensors.ReasonSyntax},
		{name: "wrong checksum", payload: "$SDDPT,3.5,*00", reason: sensors.ReasonChecksum, what: "it says"},
		{name: "a bit that fell over", payload: strings.Replace(depth, "3.5", "3.7", 1), reason: sensors.ReasonChecksum},
		{name: "no checksum", payload: "$SDDPT,3.5,", reason: sensors.ReasonChecksum, what: `checksum = "optional"`},
		{name: "cut checksum", payload: depth[:len(depth)-1], reason: sensors.ReasonChecksum},
		{name: "more after it", payload: depth + "x", reason: sensors.ReasonChecksum},
		{name: "optional", config: Config{Checksum: "optional"}, payload: "$SDDPT,3.5,", want: []string{"depth[m] float 3.5"}},
		{name: "optional but wrong", config: Config{Checksum: "optional"}, payload: "$SDDPT,3.5,*00", reason: sensors.ReasonChecksum},
		{name: "noise before", payload: "5.2,M*4F" + depth, reason: sensors.ReasonSyntax, what: "does not begin with $"},
		{name: "not UTF-8", payload: "\xff$SDDPT", reason: sensors.ReasonSyntax},
		{name: "no address", payload: summed(""), reason: sensors.ReasonSyntax},
		{name: "small address", payload: summed("sddpt,3.5,"), reason: sensors.ReasonSyntax},
		{name: "empty", payload: " \r\n", reason: sensors.ReasonEmpty},
		{name: "AIS", payload: "!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*5C", reason: sensors.ReasonUnsupported, what: "AIVDM"},
		{name: "satellites", payload: summed("GPGSV,3,1,11,03,03,111,00"), reason: sensors.ReasonUnsupported, what: "GPGSV"},
		{name: "a maker's own", payload: summed("PUBX,00,081350.00"), reason: sensors.ReasonUnsupported, what: "PUBX"},
		{name: "a maker's own that looks like another", payload: summed("PDPT,3.5"), reason: sensors.ReasonUnsupported},
		{name: "unsupported among others", payload: summed("GPGSV,3") + "\n" + depth, want: []string{"depth[m] float 3.5"}},
		{name: "not wanted", config: Config{Sentences: []string{"MWV"}}, payload: depth},
		{name: "wanted", config: Config{Sentences: []string{"DPT"}}, payload: wind + "\n" + depth + "\n" + summed("GPGSV,3"), want: []string{"depth[m] float 3.5"}},
		{name: "all or nothing", payload: depth + "\n" + summed("SDDPT,deep,"), reason: sensors.ReasonValue, what: "depth"},
		{name: "too few fields", payload: summed("GPRMC,220516,A,5133.82"), reason: sensors.ReasonValue, what: "latitude"},
		{name: "minutes", payload: summed("GPGLL,5160.00,N,00042.24,W,1,A"), reason: sensors.ReasonValue, what: "latitude"},
		{name: "beyond the pole", payload: summed("GPGLL,9000.01,N,00042.24,W,1,A"), reason: sensors.ReasonValue, what: "latitude"},
		{name: "negative", payload: summed("GPGLL,-5130.01,N,00042.24,W,1,A"), reason: sensors.ReasonValue},
		{name: "hemisphere", payload: summed("GPGLL,5130.01,X,00042.24,W,1,A"), reason: sensors.ReasonValue, what: "neither N nor S"},
		{name: "variation", payload: summed("HCHDG,1,,,2,"), reason: sensors.ReasonValue, what: "variation"},
		{name: "side", payload: summed("IIVWR,75,,1,N,,M,,K"), reason: sensors.ReasonValue, what: "neither L nor R"},
		{name: "reference", payload: summed("WIMWV,12,X,5,N,A"), reason: sensors.ReasonValue, what: "neither R nor T"},
		{name: "unit of wind", payload: summed("WIMWV,12,R,5,X,A"), reason: sensors.ReasonValue, what: "unknown unit"},
		{name: "unit of temperature", payload: summed("IIMTW,17.9,F"), reason: sensors.ReasonValue, what: "unknown unit"},
		{name: "satellites no whole number", payload: summed("GPGGA,,,,,,1,8.5,,,,,,,"), reason: sensors.ReasonValue, what: "satellites"},
		{name: "out of range", payload: summed("SDDPT,1e999,"), reason: sensors.ReasonValue},
		{name: "many fields", payload: summed("SDDPT" + strings.Repeat(",", MaxFields)), reason: sensors.ReasonTooLong},
		{name: "long transducer", payload: summed("IIXDR,C,1,C," + strings.Repeat("x", MaxPathBytes)), reason: sensors.ReasonTooLong},
		{
			name: "rules", payload: summed("WIMWD,10.1,T,11.2,M,10,N,6.3,M"), topic: "g/x",
			config: Config{
				Exclude: []string{"*magnetic"}, Scale: map[string]float64{"wind_speed": 0.5144}, Unit: map[string]string{"wind_speed": "m/s"},
				Rename: map[string]string{"wind_direction": "wind_from"}, Series: "{sentence}.{field}", Tags: map[string]string{"talker": "{talker}"},
			},
			want: []string{"MWD.wind_from{one=g,talker=WI}[°] float 10.1", "MWD.wind_speed{one=g,talker=WI}[m/s] float 5.144"},
		},
	})
}

// A transducer whose unit changes is another series, not a wrong value in the first one.
func TestNMEA_unitOfTransducer(t *testing.T) {
	d := newFormat(t, Config{Format: formatNMEA}).Decoder()
	got, err := d.Decode(nil, arrived("", summed("IIXDR,P,1.0,B,BARO")+"\n"+summed("IIXDR,P,100000,P,BARO")+"\n"+summed("IIXDR,P,1.1,B,BARO")))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"xdr.BARO[bar] float 1", "xdr.BARO[Pa] float 100000", "xdr.BARO[bar] float 1.1"}, show(got)); diff != "" {
		t.Error(diff)
	}
}

func TestNMEA_times(t *testing.T) {
	const arrival = sensors.QualityArrival
	rmc := func(clock, date string) string {
		return summed("GPRMC," + clock + ",A,5133.82,N,00042.24,W,,," + date + ",,")
	}
	gga := func(clock string) string { return summed("GPGGA," + clock + ",,,,,1,,,,,,,,") }
	at := func(text string) time.Time {
		v, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	type frame struct {
		arrived string
		quality sensors.Quality
		text    string
		want    string // "": that of arrival
	}
	const unsynced = sensors.QualityUnsynced
	for _, c := range []struct {
		name   string
		topic  string
		frames []frame
	}{
		{"date and time", "", []frame{{"1970-01-01T00:01:00Z", unsynced, rmc("220516.25", "210526"), "2026-05-21T22:05:16.25Z"}}},
		{"last century", "", []frame{{"2026-01-01T00:01:00Z", 0, rmc("220516", "130694"), "1994-06-13T22:05:16Z"}}},
		{"leap second", "", []frame{{"2026-01-01T00:01:00Z", 0, rmc("235960", "311216"), "2017-01-01T00:00:00Z"}}},
		{"near the time of arrival", "", []frame{
			{"2026-05-21T23:59:59Z", 0, gga("000001"), "2026-05-22T00:00:01Z"},
			{"2026-05-22T00:00:01Z", 0, gga("235959"), "2026-05-21T23:59:59Z"},
			{"2026-05-22T12:00:00Z", 0, gga("120000"), "2026-05-22T12:00:00Z"},
		}},
		{"not near a wrong clock", "", []frame{{"1970-01-01T00:01:00Z", unsynced, gga("000001"), ""}}},
		{"near the date before", "", []frame{
			{"1970-01-01T00:01:00Z", unsynced, rmc("235958", "210526"), "2026-05-21T23:59:58Z"},
			{"1970-01-01T00:01:01Z", unsynced, gga("235959"), "2026-05-21T23:59:59Z"},
			{"1970-01-01T00:01:02Z", unsynced, gga("000000"), "2026-05-22T00:00:00Z"},
			{"1970-01-01T11:01:02Z", unsynced, gga("110000"), "2026-05-22T11:00:00Z"},
			{"1970-01-01T22:01:02Z", unsynced, gga("220000"), "2026-05-22T22:00:00Z"},
			{"1970-01-03T00:01:02Z", unsynced, gga("220000"), ""},
		}},
		{"date of ZDA", "", []frame{
			{"1970-01-01T00:01:00Z", unsynced, summed("GPZDA,235958.00,21,05,2026,00,00") + "\n" + gga("000001"), "2026-05-22T00:00:01Z"},
		}},
		{"a message is for itself", "t", []frame{
			{"2026-05-21T12:00:00Z", 0, rmc("220516", "130694"), "1994-06-13T22:05:16Z"},
			{"2026-05-21T12:00:01Z", 0, gga("120000"), "2026-05-21T12:00:00Z"},
		}},
		{"no time in it", "", []frame{{"2026-05-21T12:00:00Z", unsynced, summed("SDDPT,1,"), ""}}},
		{"empty time", "", []frame{{"2026-05-21T12:00:00Z", 0, gga(""), ""}, {"2026-05-21T12:00:00Z", 0, rmc("", ""), ""}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var topics []string
			if c.topic != "" {
				topics = []string{"#"}
			}
			d := newFormat(t, Config{Format: formatNMEA, Time: "utc"}, topics...).Decoder()
			for _, f := range c.frames {
				raw := sensors.Raw{Topic: c.topic, Payload: []byte(f.text), Arrived: at(f.arrived), Quality: f.quality}
				got, err := d.Decode(nil, raw)
				if err != nil || len(got) == 0 {
					t.Fatalf("%s: %d readings, %v", f.text, len(got), err)
				}
				want, quality := f.want, sensors.Quality(0)
				if want == "" {
					want, quality = f.arrived, arrival|f.quality
				}
				if got[0].Time != at(want).UnixNano() || got[0].Quality != quality {
					t.Errorf("%s: %s quality %d, want %s, %d", f.text, time.Unix(0, got[0].Time).UTC().Format(time.RFC3339Nano), got[0].Quality, want, quality)
				}
			}
		})
	}
	d := newFormat(t, Config{Format: formatNMEA, Time: "utc"}).Decoder()
	for _, text := range []string{
		rmc("240000", "210526"), rmc("226000", "210526"), rmc("220561", "210526"), rmc("2205", "210526"), rmc("22:05:16", "210526"), rmc("220516", "310426"), rmc("220516", "000526"),
		rmc("220516", "2105"), rmc("220516", ""), gga("x"), gga("220516x"), summed("GPZDA,1,2,3,1996,,"), summed("GPZDA,120000,2,x,1996,,"), summed("GPZDA,120000,1,1,1969,,"),
	} {
		if got, err := d.Decode(nil, arrived("", text)); reason(t, err) != sensors.ReasonTime || len(got) > 0 {
			t.Errorf("%s: %d readings, %v", text, len(got), err)
		}
	}
}

// What go-nmea reads, we read alike; and what we read of a number or position is what it reads.
func compareNMEA(t *testing.T, body string) {
	t.Helper()
	parser := nmea.SentenceParser{}
	theirs, err := parser.Parse(summed(body))
	if err != nil {
		return
	}
	got, err := newFormat(t, Config{Format: formatNMEA}).Decoder().Decode(nil, arrived("", summed(body)))
	if err != nil {
		return // stricter
	}
	ours := map[string]float64{}
	for _, r := range got {
		ours[r.Series.Name] = number(r)
	}
	want := map[string]float64{}
	switch s := theirs.(type) {
	case nmea.RMC:
		want = map[string]float64{"latitude": s.Latitude, "longitude": s.Longitude, "speed": s.Speed, "course": s.Course, "variation": s.Variation}
	case nmea.GGA:
		want = map[string]float64{"latitude": s.Latitude, "longitude": s.Longitude, "altitude": s.Altitude, "hdop": s.HDOP, "satellites": float64(s.NumSatellites)}
	case nmea.GLL:
		want = map[string]float64{"latitude": s.Latitude, "longitude": s.Longitude}
	case nmea.VTG:
		want = map[string]float64{"course": s.TrueTrack, "course_magnetic": s.MagneticTrack}
	case nmea.DPT:
		want = map[string]float64{"depth": s.Depth, "depth_offset": s.Offset}
	case nmea.HDG:
		want = map[string]float64{"heading_magnetic": s.Heading}
	case nmea.MTW:
		want = map[string]float64{"water_temperature": s.Temperature}
	case nmea.MWD:
		want = map[string]float64{"wind_direction": s.WindDirectionTrue, "wind_direction_magnetic": s.WindDirectionMagnetic}
	case nmea.MDA:
		want = map[string]float64{"air_temperature": s.AirTemp, "humidity": s.RelativeHum, "dew_point": s.DewPoint}
	}
	for name, v := range want {
		if have, ok := ours[name]; ok && math.Abs(have-v) > 1e-9*max(1, math.Abs(v)) {
			t.Errorf("%s: %s is %v, go-nmea reads %v", body, name, have, v)
		}
	}
}

func TestNMEA_agreesWithGoNMEA(t *testing.T) {
	for _, body := range nmeaBodies() {
		compareNMEA(t, body)
	}
	if !slices.Contains(nmeaBodies(), "SDDPT,0.5,0.5,") {
		t.Error("the bodies are gone")
	}
}

func nmeaBodies() []string {
	return []string{
		"GPRMC,220516,A,5133.82,N,00042.24,W,173.8,231.8,130694,004.2,W", "GNRMC,142754.0,A,4302.539570,N,07920.379823,W,0.0,,070617,0.0,E,A",
		"GNGGA,203415.000,6325.6138,N,01021.4290,E,1,8,2.42,72.5,M,41.5,M,,", "GPGLL,3926.7952,N,12000.5947,W,022732,A,A",
		"GPVTG,45.5,T,67.5,M,30.45,N,56.40,K", "SDDPT,0.5,0.5,", "HCHDG,98.3,0.1,E,12.6,W", "IIMTW,17.9,C", "WIMWD,10.1,T,10.1,M,12,N,40,M",
		"WIMDA,3.02,I,1.01,B,23.4,C,,,40.2,,12.1,C,19.3,T,20.1,M,13.1,N,1.1,M", "IIXDR,C,19.5,C,AIR", "GPZDA,172809.456,12,07,1996,00,00",
		"GPGGA,,,,,,0,00,99.99,,,,,,", "GPRMC,,V,,,,,,,,,,N",
	}
}

func FuzzNMEA(f *testing.F) {
	for _, body := range nmeaBodies() {
		f.Add([]byte(body), "a/b", true)
		f.Add([]byte(summed(body)), "", false)
	}
	f.Add([]byte("!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*5C"), "", true)
	f.Fuzz(func(t *testing.T, payload []byte, topic string, timed bool) {
		c := Config{Format: formatNMEA, MaxSeries: 50, Checksum: "optional", Scale: map[string]float64{"depth*": 0.1}, Series: "{talker}{sentence}{field}"}
		if timed && topic != "" { // on a serial line a decoder remembers the date
			c.Time = "utc"
		}
		fuzzOne(t, c, payload, topic)
		if !strings.ContainsAny(string(payload), "*\n") {
			compareNMEA(t, string(payload))
		}
	})
}
