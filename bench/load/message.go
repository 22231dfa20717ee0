package load

// MessageReadings is how many readings a Message has.
const MessageReadings = 2

// Message makes JSON messages of 60 bytes: a time in milliseconds that grows, and two values of two decimals that
// walk. Not safe for concurrent use.
type Message struct {
	text   [60]byte
	time   int64
	values [2]int64
	random uint64
}

// The places in the text.
const (
	timeEnd  = 19
	firstEnd = 39
	lastEnd  = 59
)

// NewMessage returns the messages of one sensor.
func NewMessage(seed uint64) *Message {
	m := &Message{time: 1_753_000_000_000, values: [2]int64{2153, 4017}, random: seed*0x9e3779b97f4a7c15 + 1}
	copy(m.text[:], `{"ts":1753000000000,"temperature":21.53,"dew_point_c":40.17}`)
	return m
}

// Next returns the next message, valid until the one after.
func (m *Message) Next() []byte {
	m.random ^= m.random << 13
	m.random ^= m.random >> 7
	m.random ^= m.random << 17
	m.time += 995 + int64(m.random%11)
	digits(m.text[:timeEnd], m.time)
	for i, end := range []int{firstEnd, lastEnd} {
		m.values[i] = min(max(m.values[i]+int64(m.random>>(16+8*i)%11)-5, 1000), 9999)
		digits(m.text[:end], m.values[i]%100+100)
		m.text[end-3] = '.'
		digits(m.text[:end-3], m.values[i]/100)
	}
	return m.text[:]
}

// digits writes n at the end of b.
func digits(b []byte, n int64) {
	for i := len(b) - 1; n > 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
}
