package agent

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/skerry-edge/skerry/agent/api"
)

// prometheus returns the handler of /metrics. The parts count for themselves; this reads them when asked.
func (a *Agent) prometheus(door *api.Metrics) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		door, agentMetrics{a},
	)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// agentMetrics is a prometheus.Collector over the parts' sums.
type agentMetrics struct{ a *Agent }

// Describe implements prometheus.Collector.
func (m agentMetrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

// Collect implements prometheus.Collector.
func (m agentMetrics) Collect(ch chan<- prometheus.Metric) {
	send := func(kind prometheus.ValueType, name, help string, value uint64, labels ...string) {
		var keys, values []string
		for i := 0; i+1 < len(labels); i += 2 {
			keys, values = append(keys, labels[i]), append(values, labels[i+1])
		}
		desc := prometheus.NewDesc("skerry_"+name, help, keys, nil)
		ch <- prometheus.MustNewConstMetric(desc, kind, float64(value), values...)
	}
	count := func(name, help string, value uint64, labels ...string) {
		send(prometheus.CounterValue, name, help, value, labels...)
	}
	gauge := func(name, help string, value uint64, labels ...string) {
		send(prometheus.GaugeValue, name, help, value, labels...)
	}
	s := m.a.pipeline.Stats()
	count("ingest_decoded_readings_total", "Readings offered by decoders.", s.Decoded)
	count("ingest_stored_readings_total", "Readings journalled.", s.Stored)
	count("ingest_filtered_readings_total", "Readings dropped by mapping or dedup.", s.Filtered)
	count("ingest_lost_readings_total", "Readings dropped, by reason.", s.Lost, "reason", "queue_full")
	count("ingest_refused_readings_total", "Readings not acknowledged because storage failed.", s.Refused)
	count("ingest_groups_total", "Group commits: one sync each.", s.Groups)
	count("ingest_blocks_total", "Data blocks sealed.", s.Blocks)
	gauge("ingest_unsealed_readings", "Readings journalled and in no block yet.", m.a.db.UnsealedReadings())
	for _, q := range m.a.queues() {
		gauge("ingest_queue_bytes", "Memory of queued batches.", uint64(max(q.Length, 0)), "queue", q.Name)
		count("ingest_queue_dropped_batches_total", "Batches dropped by a full queue.", q.Dropped, "queue", q.Name)
	}
	blocks, readings, journal := m.a.db.Totals()
	gauge("store_blocks", "Blocks held.", blocks)
	gauge("store_sealed_readings", "Readings in blocks.", readings)
	gauge("store_journal_bytes", "Size of the journal.", journal)
	for _, src := range m.a.now.Load().sourceStatus() {
		count("source_offered_inputs_total", "Inputs received.", src.Offered, "source", src.Name)
		count("source_decoded_inputs_total", "Inputs decoded.", src.Decoded, "source", src.Name)
		count("source_repeated_inputs_total", "Inputs suppressed as repeats.", src.Repeats, "source", src.Name)
		count("source_decoded_readings_total", "Readings decoded.", src.Readings, "source", src.Name)
		count("source_filtered_readings_total", "Readings dropped by mapping or dedup.", src.Filtered, "source", src.Name)
		count("source_unread_values_total", "Values of a kind that the format does not read, in decoded inputs.", src.Unread, "source", src.Name)
		count("source_answers_total", "Messages published to the source, such as requests for births.", src.Answers, "source", src.Name)
		count("source_received_bytes_total", "Bytes received.", src.Bytes, "source", src.Name)
		for reason, n := range src.Rejected {
			count("source_rejected_inputs_total", "Inputs rejected, by reason.", n, "source", src.Name, "reason", string(reason))
		}
		gauge("source_troubles", "Parts of the source, such as slaves, with a trouble.", uint64(len(src.Troubles)), "source", src.Name)
		connected := uint64(0)
		if src.State == "connected" {
			connected = 1
		}
		gauge("source_connected", "Whether the source is connected.", connected, "source", src.Name)
	}
	m.a.now.Load().mqttMetrics(count, gauge)
}
