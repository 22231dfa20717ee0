package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/store"
)

// The rest of api.Backend is what the store shows.

// ID implements api.Backend.
func (a *Agent) ID(ctx context.Context) (api.ID, error) { return a.now.Load().view.ID(ctx) }

// Collections implements api.Backend.
func (a *Agent) Collections(ctx context.Context) ([]api.Collection, error) {
	return a.now.Load().view.Collections(ctx)
}

// Query implements api.Backend.
func (a *Agent) Query(ctx context.Context, q api.Query) (api.Rows, error) {
	return a.now.Load().view.Query(ctx, q)
}

// Buckets implements api.Backend.
func (a *Agent) Buckets(ctx context.Context, q api.Query, d api.Division) (api.Buckets, error) {
	return a.now.Load().view.Buckets(ctx, q, d)
}

// Tail implements api.Backend.
func (a *Agent) Tail(ctx context.Context, q api.Query) (api.Rows, error) {
	return a.now.Load().view.Tail(ctx, q)
}

// Verify implements api.Backend.
func (a *Agent) Verify(ctx context.Context, progress func(api.Progress)) (api.Verification, error) {
	return a.now.Load().view.Verify(ctx, progress)
}

// Blocks implements api.Backend.
func (a *Agent) Blocks(ctx context.Context, collection string) (api.Blocks, error) {
	return a.now.Load().view.Blocks(ctx, collection)
}

// Status implements api.Backend.
func (a *Agent) Status(context.Context) (api.Status, error) {
	now, synced := a.clock.Now()
	quality := "unsynced"
	if synced {
		quality = "synced"
	}
	p := a.now.Load()
	s := api.Status{
		Name: p.cfg.Gateway.Name, Peer: a.id.PeerID(), Version: a.version, Started: a.started.UTC(),
		Folder: p.cfg.Gateway.DataDir,
		Config: api.Config{File: p.cfg.File(), Read: p.read.UTC(), Restart: p.restart},
		Parts:  api.Parts{Sources: p.sourceStatus(), API: p.doorStatus(), Broker: p.brokerStatus(), Ingest: a.ingestStatus(), Store: a.storeStatus()},
		Queues: a.queues(),
		Disk:   diskOf(p.cfg.Gateway.DataDir),
		Clock:  api.Clock{Time: now.UTC(), Quality: quality},
		Memory: memory(),
	}
	s.Health = a.health.items(a.troubles(p, &s))
	return s, nil
}

func (p *parts) sourceStatus() []sensors.SourceStatus {
	out := []sensors.SourceStatus{}
	for _, in := range p.inputs {
		out = append(out, in.full())
	}
	return out
}

func (a *Agent) ingestStatus() api.Ingest {
	s := a.pipeline.Stats()
	return api.Ingest{
		Decoded: s.Decoded, Stored: s.Stored, Filtered: s.Filtered, Lost: s.Lost, Refused: s.Refused,
		Groups: s.Groups, Unsealed: a.db.UnsealedReadings(),
	}
}

func (a *Agent) storeStatus() api.Store {
	blocks, readings, journal := a.db.Totals()
	return api.Store{Format: store.Format, Blocks: blocks, Readings: readings, Journal: journal}
}

func (a *Agent) queues() []api.Queue {
	waiting, offered := a.pipeline.QueueStats()
	return []api.Queue{
		{Name: "waiting", Length: waiting.Length, Capacity: waiting.Capacity, Dropped: waiting.Dropped},
		{Name: "offered", Length: offered.Length, Capacity: offered.Capacity, Dropped: offered.Dropped},
	}
}

// diskOf measures the folder; what cannot be measured is zero.
func diskOf(dir string) api.Disk {
	var d api.Disk
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // files come and go while we look
		}
		st, err := e.Info()
		if err != nil {
			return nil //nolint:nilerr // files come and go while we look
		}
		if sys, is := st.Sys().(*syscall.Stat_t); is {
			d.Used += uint64(max(sys.Blocks, 0)) * 512
		}
		return nil
	})
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) == nil {
		d.Free = fs.Bavail * uint64(max(fs.Bsize, 0))
	}
	return d
}

// memory reads what the kernel says of this process.
func memory() api.Memory {
	var m api.Memory
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return m
	}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		fields := strings.Fields(value)
		if len(fields) == 0 {
			continue
		}
		n, err := strconv.ParseUint(fields[0], 10, 64)
		if err != nil {
			continue
		}
		switch name {
		case "RssAnon":
			m.Anonymous = n << 10
		case "VmRSS":
			m.Resident = n << 10
		}
	}
	return m
}

// troubles lists what lasts and what people should know of, by code, with the moment at which it began.
func (a *Agent) troubles(p *parts, s *api.Status) []api.Health {
	var out []api.Health
	add := func(code, text, hint string) *api.Health {
		out = append(out, api.Health{Code: code, Text: text, Hint: hint})
		return &out[len(out)-1]
	}
	if err := a.pipeline.Stats().Failing; err != nil {
		hint := "look at the disk: dmesg, df"
		if errors.Is(err, unix.ENOSPC) {
			hint = "free space on the disk: nothing is acknowledged until then"
		}
		add("store_failing", err.Error(), hint).Since = a.health.failingSince()
	}
	if why, since := a.health.refusedConfig(); why != "" {
		add("config_refused", "the agent goes on with the configuration before: "+why, "run: skerry config check; then SIGHUP again").Since = since
	}
	opened := a.db.Opened()
	for _, d := range opened.Damage {
		add("journal_damaged", d.File+": "+d.Reason, "run: skerry verify").Since = a.started
	}
	if opened.TailLost {
		add("store_tail_lost", "the database was behind the journal: new feeds were opened and the journal was sealed again", "run: skerry verify").Since = a.started
	}
	if s.Clock.Quality != "synced" {
		add("clock_unsynced", "the clock is not known to be right: times of arrival are marked",
			"start a time service (systemd-timesyncd, chrony), or set trust_clock = true in [gateway]").Since = a.started
	}
	for _, q := range s.Queues {
		if q.Dropped > 0 {
			add("queue_"+q.Name, fmt.Sprintf("%d batches were dropped by a full queue and counted as lost", q.Dropped), "see the sources' rates and the disk's speed").Since = a.health.droppedSince()
		}
	}
	if len(p.restart) > 0 {
		add("restart_needed", "the configuration has changes that wait for the next start: "+strings.Join(p.restart, ", "),
			"run: systemctl restart skerry; or stop skerry run and start it again").Since = p.read
	}
	p.doorTroubles(a, add)
	p.mqttTroubles(a, add)
	for _, src := range s.Parts.Sources {
		if src.State == "retrying" {
			add("source_"+src.Name, fmt.Sprintf("source %s: %s", src.Name, src.Text), src.Hint).Since = src.Since
		}
		for _, t := range src.Troubles {
			add("slave_"+t.Name, fmt.Sprintf("source %s, slave %s: %s", src.Name, strings.TrimPrefix(t.Name, src.Name+"."), t.Text), t.Hint)
		}
	}
	return out
}
