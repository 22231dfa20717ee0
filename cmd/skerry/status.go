package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skerry-edge/skerry/agent/api"
)

func newStatusCmd(p *place) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how the gateway is",
		Long: `Show how the gateway is: what troubles it, its sources, queues, disk, clock and memory.

Exit code 0: the agent answers, whatever troubles it; 4: no agent answers.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ask(cmd, p, func(ctx context.Context, backend api.Backend) error {
				status, err := backend.Status(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), status)
				}
				return showStatus(cmd.OutOrStdout(), status)
			})
		},
	}
	addJSONFlag(cmd, &asJSON)
	p.addSocketFlags(cmd)
	return cmd
}

// showStatus writes a status for people: troubles first.
func showStatus(w io.Writer, s api.Status) error {
	now := s.Clock.Time
	if now.IsZero() {
		now = time.Now()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", printable(s.Name), printable(s.Peer))
	for _, h := range s.Health {
		fmt.Fprintf(&b, "\n! %s: %s (since %s)\n", printable(h.Code), printable(h.Text), localTime(h.Since))
		writeHint(&b, h.Hint)
	}
	b.WriteByte('\n')
	for _, fact := range statusFacts(s, now) {
		pad(&b, fact[0], 8, false)
		fmt.Fprintf(&b, "  %s\n", fact[1])
	}
	if err := writeSources(&b, s.Parts.Sources, now); err != nil {
		return err
	}
	if err := writeQueues(&b, s.Queues); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func statusFacts(s api.Status, now time.Time) [][2]string {
	in := s.Parts.Ingest
	facts := [][2]string{
		{"running", fmt.Sprintf("%s, since %s, version %s", spanText(now.Sub(s.Started)), localTime(s.Started), printable(s.Version))},
		{"clock", fmt.Sprintf("%s, %s", localTime(now), printable(s.Clock.Quality))},
		{"folder", printable(s.Folder)},
		{"disk", fmt.Sprintf("%s used, %s free", sizeText(s.Disk.Used), sizeText(s.Disk.Free))},
	}
	if s.Memory.Resident > 0 {
		facts = append(facts, [2]string{"memory", fmt.Sprintf("%s own, %s with mapped files", sizeText(s.Memory.Anonymous), sizeText(s.Memory.Resident))})
	}
	facts = append(
		facts,
		[2]string{"ingest", fmt.Sprintf("%s decoded: %s stored, %s filtered, %s lost, %s refused; %s under way",
			amount(in.Decoded, "reading", "readings"), countText(in.Stored), countText(in.Filtered), countText(in.Lost), countText(in.Refused), countText(underWay(in)))},
		[2]string{"commits", fmt.Sprintf("%s; %s not yet in a block", amount(in.Groups, "group", "groups"), amount(in.Unsealed, "reading", "readings"))},
		[2]string{"store", fmt.Sprintf("%s with %s, journal %s", amount(s.Parts.Store.Blocks, "block", "blocks"),
			amount(s.Parts.Store.Readings, "reading", "readings"), sizeText(s.Parts.Store.Journal))},
	)
	if s.Config.File != "" {
		facts = append(facts, [2]string{"config", fmt.Sprintf("%s, read %s", printable(s.Config.File), localTime(s.Config.Read))})
	}
	if s.Parts.API.Socket != "" {
		facts = append(facts, [2]string{"api", printable(strings.TrimSuffix(s.Parts.API.Socket+", "+s.Parts.API.URL, ", "))})
	}
	if broker := s.Parts.Broker; broker != nil {
		facts = append(facts, brokerFacts(broker)...)
	}
	return facts
}

// underWay is what was decoded and is neither stored, nor filtered, lost or refused yet.
func underWay(in api.Ingest) uint64 {
	done := in.Stored + in.Filtered + in.Lost + in.Refused
	if done > in.Decoded {
		return 0 // the sums were read one after the other
	}
	return in.Decoded - done
}

func writeSources(b *strings.Builder, sources []api.SourceStatus, now time.Time) error {
	if len(sources) == 0 {
		b.WriteString("\nno sources are configured\n")
		return nil
	}
	rows := make([][]string, 0, len(sources))
	for _, s := range sources {
		rows = append(rows, []string{
			printable(s.Name), s.Kind, s.State, spanText(now.Sub(s.Since)),
			countText(s.Offered), countText(s.Decoded), countText(rejected(s)), countText(s.Repeats), countText(s.Readings), countText(s.Filtered), sizeText(s.Bytes),
		})
	}
	b.WriteByte('\n')
	err := writeTable(b, []column{
		{"SOURCE", false},
		{"KIND", false},
		{"STATE", false},
		{"FOR", false},
		{"INPUTS", true},
		{"DECODED", true},
		{"REJECTED", true},
		{"REPEATS", true},
		{"READINGS", true},
		{"FILTERED", true},
		{"BYTES", true},
	}, rows)
	for _, s := range sources {
		if s.Text != "" {
			fmt.Fprintf(b, "%s: %s\n", printable(s.Name), printable(s.Text))
			writeHint(b, s.Hint)
		}
		writeRejected(b, s)
		if s.Unread > 0 {
			fmt.Fprintf(b, "%s: did not read %s of a kind that its format does not read\n", printable(s.Name), amount(s.Unread, "value", "values"))
		}
	}
	return err
}

func rejected(s api.SourceStatus) uint64 {
	var sum uint64
	for _, n := range s.Rejected {
		sum += n
	}
	return sum
}

// writeRejected says why input was rejected, the most frequent reason first, with the latest of each.
func writeRejected(b *strings.Builder, s api.SourceStatus) {
	reasons := slices.SortedFunc(maps.Keys(s.Rejected), func(x, y api.Reason) int {
		return cmp.Or(cmp.Compare(s.Rejected[y], s.Rejected[x]), cmp.Compare(x, y))
	})
	for _, reason := range reasons {
		if s.Rejected[reason] == 0 {
			continue
		}
		fmt.Fprintf(b, "%s: rejected %s for %s", printable(s.Name), amount(s.Rejected[reason], "input", "inputs"), printable(string(reason)))
		if i := slices.IndexFunc(s.Samples, func(sample api.Sample) bool { return sample.Reason == reason }); i >= 0 {
			sample := s.Samples[i]
			fmt.Fprintf(b, "; the latest at %s: %s", localTime(sample.Time), printable(sample.What))
			if sample.Bytes != "" { // what did not come has none
				b.WriteString("\n    " + printable(sample.Bytes))
			}
		}
		b.WriteByte('\n')
	}
}

func writeQueues(b *strings.Builder, queues []api.Queue) error {
	if len(queues) == 0 {
		return nil
	}
	rows := make([][]string, 0, len(queues))
	for _, q := range queues {
		rows = append(rows, []string{printable(q.Name), sizeText(uint64(max(q.Length, 0))), sizeText(uint64(max(q.Capacity, 0))), countText(q.Dropped)})
	}
	b.WriteByte('\n')
	return writeTable(b, []column{{"QUEUE", false}, {"LENGTH", true}, {"CAPACITY", true}, {"DROPPED", true}}, rows)
}

func writeHint(b *strings.Builder, hint string) {
	if hint != "" {
		fmt.Fprintf(b, "    hint: %s\n", printable(hint))
	}
}
