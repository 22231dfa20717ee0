package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/skerry-edge/skerry/agent/api"
)

// brokerFacts are the lines of a status about the broker inside. What it refused is told only where it did.
func brokerFacts(broker *api.Broker) [][2]string {
	var listen []string
	if broker.Listen != "" {
		listen = append(listen, printable(broker.Listen))
	}
	if broker.TLSListen != "" {
		listen = append(listen, printable(broker.TLSListen)+" (TLS)")
	}
	facts := [][2]string{{"broker", fmt.Sprintf("%s, %s, %s received, %s acknowledged, %s passed on", strings.Join(listen, " and "),
		amount(uint64(max(broker.Clients, 0)), "client", "clients"), amount(broker.Messages, "message", "messages"), countText(broker.Acked), countText(broker.Passed))}}
	if len(broker.Refused) > 0 {
		facts = append(facts, [2]string{"refused", "connections: " + reasonCounts(broker.Refused)})
	}
	if len(broker.Denied) > 0 {
		facts = append(facts, [2]string{"denied", "by access rules: " + reasonCounts(broker.Denied)})
	}
	if broker.RateWaits+broker.RateDropped > 0 {
		facts = append(facts, [2]string{"rates", fmt.Sprintf("clients beyond theirs waited %s, %s of QoS 0 dropped",
			amount(broker.RateWaits, "time", "times"), amount(broker.RateDropped, "message", "messages"))})
	}
	return facts
}

// reasonCounts returns "3 password, 1 tls", the most first.
func reasonCounts(counts map[string]uint64) string {
	reasons := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		switch {
		case counts[a] > counts[b]:
			return -1
		case counts[a] < counts[b]:
			return 1
		}
		return strings.Compare(a, b)
	})
	for i, reason := range reasons {
		reasons[i] = countText(counts[reason]) + " " + printable(reason)
	}
	return strings.Join(reasons, ", ")
}
