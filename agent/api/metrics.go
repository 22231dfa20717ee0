package api

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what the server does. It is a prometheus.Collector, to be registered by whoever made it.
type Metrics struct {
	requests *prometheus.CounterVec // by route and code
	refused  *prometheus.CounterVec // by reason
	streams  prometheus.Gauge
	rows     prometheus.Counter
}

// Why a connection or request was refused.
const (
	refusedConnections = "connections"
	refusedStreams     = "streams"
	refusedForbidden   = "forbidden"
	refusedAddress     = "address" // by TCP: too many connections of one address
	refusedHost        = "host"
	refusedOrigin      = "origin"
	refusedToken       = "token"
	refusedGuesses     = "guesses"
)

// NewMetrics returns metrics that count from zero.
func NewMetrics() *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "skerry_api_requests_total", Help: "Requests answered, by route and HTTP status.",
		}, []string{"route", "code"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "skerry_api_refused_total", Help: "Connections and requests refused, by reason.",
		}, []string{"reason"}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "skerry_api_streams", Help: "Streams of rows that are open.",
		}),
		rows: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "skerry_api_rows_total", Help: "Rows streamed to readers.",
		}),
	}
	for _, reason := range []string{
		refusedConnections, refusedStreams, refusedForbidden, refusedAddress, refusedHost, refusedOrigin, refusedToken, refusedGuesses,
	} {
		m.refused.WithLabelValues(reason)
	}
	return m
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.requests.Collect(ch)
	m.refused.Collect(ch)
	m.streams.Collect(ch)
	m.rows.Collect(ch)
}
