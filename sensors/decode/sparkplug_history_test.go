package decode

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/skerry-edge/skerry/sensors"
	sp "github.com/skerry-edge/skerry/sensors/decode/sparkplugtest"
)

// historyMetrics is how many metrics each part of an edge node has. A value says whose it is: part*100+metric, then a counter.
const historyMetrics = 4

// A historyMessage is on its way. What it rests on is known to nobody but the test.
type historyMessage struct {
	topic   string
	payload []byte
	edge    *historyEdge
	births  []int // of the edge node and the device, that it rests on
	seq     int
	data    bool
}

// historyEdge is an edge node that gives its metrics new aliases at each birth.
type historyEdge struct {
	name    string
	session uint64
	seq     int
	birth   int      // counts births of the edge node
	heard   int      // the latest of them that arrived
	born    [3]int   // counts births of the parts: 0 is the edge node itself
	aliases [3][]int // of the metrics
	misled  bool     // nobody can tell: see deliver
	pending bool     // it was asked to be born again
}

// history is a random history: edge nodes, the way to the gateway, and what the decoder makes of it.
type history struct {
	t        *testing.T
	r        *rand.Rand
	now      uint64
	edges    []*historyEdge
	delayed  []historyMessage
	format   *Format
	loss     float64
	sloppy   float64 // repeats and delays
	values   int64
	accepted int
	unknown  int // what no receiver can tell
	log      []string
}

func (h *history) chance(p float64) bool { return h.r.Float64() < p }

func (h *history) payload(e *historyEdge, part int, birth bool) sp.Payload {
	h.now++
	p := sp.Payload{Time: h.now, Seq: e.seq}
	e.seq = (e.seq + 1) % 256
	for m := range historyMetrics {
		if !birth && h.chance(0.5) {
			continue
		}
		h.values++
		metric := alias(uint64(e.aliases[part][m]), sp.OfLong(uint64(int64(part*100+m)*1_000_000_000+h.values)))
		if birth {
			metric.Name, metric.Type = fmt.Sprintf("m%d", m), sp.Int64
		} else if h.chance(0.1) {
			metric.Name, metric.Type = fmt.Sprintf("m%d", m), sp.Int64
			metric.Aliased = h.chance(0.5)
		}
		p.Metrics = append(p.Metrics, metric)
	}
	return p
}

func (h *history) send(e *historyEdge, kind string, part int, p sp.Payload) {
	topic := "spBv1.0/g/" + kind + "/" + e.name
	if part > 0 {
		topic += fmt.Sprintf("/d%d", part)
	}
	m := historyMessage{
		topic: topic, payload: p.Append(nil), edge: e, births: []int{e.birth, e.born[part]}, seq: p.Seq, data: strings.HasSuffix(kind, "DATA"),
	}
	if !h.chance(h.loss) {
		if h.chance(h.sloppy) {
			h.delayed = append(h.delayed, m)
		} else {
			h.deliver(m)
		}
		if h.chance(h.sloppy) {
			h.delayed = append(h.delayed, m) // comes again
		}
	}
	for len(h.delayed) > 0 && (len(h.delayed) > 20 || h.chance(0.3)) {
		i := h.r.IntN(len(h.delayed))
		m := h.delayed[i]
		h.delayed = append(h.delayed[:i], h.delayed[i+1:]...)
		h.deliver(m)
	}
}

func (h *history) bear(e *historyEdge, part int) {
	e.aliases[part] = h.r.Perm(historyMetrics + 2)[:historyMetrics]
	e.born[part]++
	if part > 0 {
		h.send(e, "DBIRTH", part, h.payload(e, part, true))
		return
	}
	e.birth++
	e.seq = 0
	p := h.payload(e, 0, true)
	p.Metrics = append(p.Metrics, sp.Metric{Name: "bdSeq", Type: sp.Int64, Value: sp.OfLong(e.session)})
	h.send(e, "NBIRTH", 0, p)
	h.bear(e, 1)
	h.bear(e, 2)
}

func (h *history) step() {
	e := h.edges[h.r.IntN(len(h.edges))]
	switch n := h.r.IntN(100); {
	case e.pending || n < 2:
		e.pending = false
		h.bear(e, 0)
	case n < 5:
		if h.chance(0.8) {
			h.send(e, "NDEATH", 0, sp.Payload{Seq: -1, Metrics: []sp.Metric{{Name: "bdSeq", Type: sp.Int64, Value: sp.OfLong(e.session)}}})
		}
		e.session++
		h.bear(e, 0)
	case n < 10:
		h.bear(e, 1+h.r.IntN(2))
	case n < 12:
		part := 1 + h.r.IntN(2)
		h.now++
		h.send(e, "DDEATH", part, sp.Payload{Time: h.now, Seq: e.seq})
		e.seq = (e.seq + 1) % 256
		h.bear(e, part)
	case n < 13:
		h.restart()
	case n < 50:
		h.send(e, "NDATA", 0, h.payload(e, 0, false))
	default:
		part := 1 + h.r.IntN(2)
		h.send(e, "DDATA", part, h.payload(e, part, false))
	}
}

// restart forgets what the gateway knew.
func (h *history) restart() {
	h.format = newFormat(h.t, Config{Format: formatSparkplug, Exclude: []string{"*Online"}}, "spBv1.0/#")
	for _, e := range h.edges {
		e.heard = 0
	}
}

// deliver hands the message over and checks what is made of it.
func (h *history) deliver(m historyMessage) {
	known := h.format.edges.byName["g/"+m.edge.name]
	// The birth that the message rests on was not heard, and its number is the next since an earlier one: nobody can tell.
	blind := known != nil && known.born && known.sound && (m.edge.misled || m.births[0] > m.edge.heard && known.next == uint8(m.seq))
	m.edge.misled = blind && !strings.Contains(m.topic, "NBIRTH") // what follows it, and what comes again
	d := newSparkplugDecoder(h.format)
	raw := sensors.Raw{Source: "src", Topic: m.topic, Payload: m.payload, Arrived: time.UnixMilli(int64(h.now) * 100)}
	got, err := d.Decode(nil, raw)
	h.log = append(h.log, fmt.Sprintf("%s seq %d births %v: %d readings, %v", m.topic, m.seq, m.births, len(got), err))
	if strings.Contains(m.topic, "NBIRTH") {
		m.edge.heard = max(m.edge.heard, m.births[0])
	}
	if len(d.Aside().Answers) > 0 && !h.chance(h.loss) {
		m.edge.pending = true
	}
	if blind {
		h.unknown++
		return
	}
	_, device, _ := strings.Cut(strings.TrimPrefix(m.topic, "spBv1.0/g/"), "/")
	for _, r := range got {
		whose := int(r.Int() / 1_000_000_000)
		name, part := fmt.Sprintf("m%d", whose%100), whose/100
		want := m.edge.name
		if part > 0 {
			want += fmt.Sprintf("/d%d", part)
		}
		if r.Series.Name != name || device != want {
			h.t.Fatalf("a value of %s of %s became one of %s of %s; the last messages:\n%s", name, want, r.Series.Name, device,
				strings.Join(h.log[max(0, len(h.log)-40):], "\n"))
		}
	}
	if m.data {
		h.accepted += len(got)
	}
}

// Whatever is lost, late, repeated or forgotten, no value is taken for one of another metric, and data goes on being taken.
func TestSparkplug_histories(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("SKERRY_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SKERRY_SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	accepted, unknown := 0, 0
	for range 300 {
		h := &history{t: t, r: r, now: birthTime, loss: r.Float64() * 0.1, sloppy: r.Float64() * 0.2}
		for i := range 2 {
			h.edges = append(h.edges, &historyEdge{name: fmt.Sprintf("n%d", i)})
		}
		h.restart()
		for _, e := range h.edges {
			h.bear(e, 0)
		}
		for range 400 {
			h.step()
		}
		accepted += h.accepted
		unknown += h.unknown
	}
	t.Logf("%d values of data taken; of %d messages nobody can tell", accepted, unknown)
	if accepted < 300*100 {
		t.Errorf("only %d values were taken", accepted)
	}
}
