package ingest

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// seeded returns the numbers of a random test: SKERRY_SEED replays those of a seed that was logged.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("SKERRY_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SKERRY_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}
