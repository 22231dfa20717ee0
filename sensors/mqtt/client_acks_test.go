package mqtt

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestClientAcks_waitsForWhatCameBefore(t *testing.T) {
	a := newClientAcks()
	for _, id := range []uint16{9, 5, 7} {
		a.expect(id, 1)
	}
	for _, step := range []struct {
		ticket uint64
		want   []byte
	}{
		{1, []byte{}},
		{0, []byte{0x40, 2, 0, 9, 0x40, 2, 0, 5}},
		{0, []byte{}}, // once is enough
		{2, []byte{0x40, 2, 0, 7}},
		{3, []byte{}}, // never expected
	} {
		a.settle(step.ticket)
		if diff := cmp.Diff(step.want, append([]byte{}, a.swap(nil)...)); diff != "" {
			t.Errorf("settled %d: due (-want +got):\n%s", step.ticket, diff)
		}
	}
	if !a.drained() {
		t.Error("not drained")
	}
}

func TestClientAcks_keepsOrderOverManyRandomSettlements(t *testing.T) {
	seed := drawSeed(t)
	random := rand.New(rand.NewPCG(seed, 1))
	a := newClientAcks()
	var open []uint64
	var next, want uint16
	for range 200_000 {
		if len(open) < 3000 && random.IntN(2) == 0 {
			ticket, ok := a.expect(next, 1)
			if !ok {
				t.Fatal("refused")
			}
			next++
			open = append(open, ticket)
		} else if len(open) > 0 {
			i := random.IntN(min(len(open), 50))
			a.settle(open[i])
			open = append(open[:i], open[i+1:]...)
		}
		for due := a.swap(nil); len(due) > 0; due = due[4:] {
			if got := uint16(due[2])<<8 | uint16(due[3]); got != want {
				t.Fatalf("acknowledged %d, want %d", got, want)
			}
			want++
		}
	}
	for _, ticket := range open {
		a.settle(ticket)
	}
	if due := a.swap(nil); uint16(len(due)/4) != next-want || !a.drained() {
		t.Errorf("%d due at the end, want %d", len(due)/4, next-want)
	}
}

func TestClientAcks_boundsWhatWaits(t *testing.T) {
	a := newClientAcks()
	for i := range clientMaxUnsettled {
		if _, ok := a.expect(uint16(i), 1); !ok {
			t.Fatalf("message %d was refused", i)
		}
	}
	if _, ok := a.expect(1, 1); ok {
		t.Error("one more than there are packet ids was taken")
	}
	for i := range uint64(clientMaxUnsettled) {
		a.settle(clientMaxUnsettled - 1 - i) // backwards: all become due with the last
	}
	if due := a.swap(nil); len(due) != 4*clientMaxUnsettled || due[2] != 0 || due[3] != 0 || due[7] != 1 {
		t.Errorf("%d bytes due", len(due))
	}
	if ticket, ok := a.expect(5, 2); !ok || ticket != clientMaxUnsettled {
		t.Errorf("ticket %d, %t", ticket, ok)
	}
	a.settle(clientMaxUnsettled)
	if diff := cmp.Diff([]byte{0x50, 2, 0, 5}, a.swap(nil)); diff != "" {
		t.Errorf("due (-want +got):\n%s", diff)
	}
}

// drawSeed returns the seed of a random test: SKERRY_SEED replays one that was logged.
func drawSeed(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("SKERRY_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SKERRY_SEED=%d", seed)
	return seed
}
