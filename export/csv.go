package export

import (
	"strings"

	"github.com/skerry-edge/skerry/sensors"
)

// csvHeader names the columns. A file has these, whatever tags there are, because the first row is written before the
// last series is known.
const csvHeader = "time,series,tags,value,unit,author\n"

// appendCSV appends one row. Fields are quoted as in RFC 4180 where needed; a line ends with a line feed alone. The field
// tags is k=v;k=v in key order, where a backslash stands before each ; = and \ of a key or value.
func appendCSV(dst []byte, row *sensors.Row, p sensors.Precision) []byte {
	dst = sensors.AppendTime(dst, row.Time, p)
	dst = append(dst, ',')
	dst = appendField(dst, row.Series.Name)
	dst = append(dst, ',')
	dst = appendField(dst, tagsText(row.Series.Tags))
	dst = append(dst, ',')
	if row.Series.Type == sensors.String {
		dst = appendField(dst, row.Str)
	} else {
		dst = row.AppendValue(dst)
	}
	dst = append(dst, ',')
	dst = appendField(dst, row.Series.Unit)
	dst = append(dst, ',')
	dst = appendField(dst, row.Author)
	return append(dst, '\n')
}

// bucketHeader names the columns of buckets.
func bucketHeader(list []sensors.Aggregate) string {
	return "time,series,tags,unit," + sensors.JoinAggregates(list) + "\n"
}

// appendBucketCSV appends one bucket. A value that it has not is an empty field.
func appendBucketCSV(dst []byte, b *sensors.Bucket, p sensors.Precision) []byte {
	dst = sensors.AppendTime(dst, b.Time, p)
	dst = append(dst, ',')
	dst = appendField(dst, b.Series.Name)
	dst = append(dst, ',')
	dst = appendField(dst, tagsText(b.Series.Tags))
	dst = append(dst, ',')
	dst = appendField(dst, b.Series.Unit)
	for _, v := range b.Values {
		dst = append(dst, ',')
		if v.Type == sensors.String {
			dst = appendField(dst, v.Str)
		} else {
			dst = v.AppendText(dst)
		}
	}
	return append(dst, '\n')
}

func tagsText(tags []sensors.Tag) string {
	var b strings.Builder
	for i, tag := range tags {
		if i > 0 {
			b.WriteByte(';')
		}
		writeEscaped(&b, tag.Key)
		b.WriteByte('=')
		writeEscaped(&b, tag.Value)
	}
	return b.String()
}

func writeEscaped(b *strings.Builder, text string) {
	for {
		i := strings.IndexAny(text, `;=\`)
		if i < 0 {
			b.WriteString(text)
			return
		}
		b.WriteString(text[:i])
		b.WriteByte('\\')
		b.WriteByte(text[i])
		text = text[i+1:]
	}
}

func appendField(dst []byte, text string) []byte {
	if !strings.ContainsAny(text, ",\"\r\n") {
		return append(dst, text...)
	}
	dst = append(dst, '"')
	for {
		i := strings.IndexByte(text, '"')
		if i < 0 {
			break
		}
		dst = append(dst, text[:i]...)
		dst = append(dst, '"', '"')
		text = text[i+1:]
	}
	dst = append(dst, text...)
	return append(dst, '"')
}
