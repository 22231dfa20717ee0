package store

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/sensors"
)

// rollBack puts an older copy of the database beside the journal of now.
func (r *rig) rollBack(older string) {
	r.t.Helper()
	badger := filepath.Join(r.dir, "badger")
	if err := os.RemoveAll(badger); err != nil {
		r.t.Fatal(err)
	}
	if err := os.CopyFS(badger, os.DirFS(older)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) keepBadger() (older string) {
	r.t.Helper()
	older = filepath.Join(r.t.TempDir(), "badger")
	if err := os.CopyFS(older, os.DirFS(filepath.Join(r.dir, "badger"))); err != nil {
		r.t.Fatal(err)
	}
	return older
}

// When Badger lost its newest blocks and the journal still has their readings, they are sealed again,
// into new feeds, because peers may know how the old ones went on.
func TestOpen_tailLostIsSealedAgain(t *testing.T) {
	r := newRig(t)
	r.fill("climate", 1000)
	r.seal("climate", 500, 50)
	r.fill("power", 10)
	r.seal("power", 10, 50)
	own, _, err := r.db.Own("climate")
	if err != nil {
		t.Fatal(err)
	}
	r.crash()
	older := r.keepBadger()
	r.open()
	r.fill("climate", 300)
	r.seal("climate", 700, 50)
	r.crash()
	r.rollBack(older)
	for round := range 3 {
		r.open()
		if o := r.db.Opened(); o.TailLost != (round == 0) || len(o.Damage) > 0 {
			t.Errorf("round %d: %+v, want the tail lost once", round, o)
		}
		if _, has, err := r.db.Own("climate"); err != nil || has {
			t.Errorf("round %d: Own returned %v, %v, want no feed to resume", round, has, err)
		}
		r.check(Query{Collection: "climate"})
		if losses := r.db.Losses("climate", 1<<20); len(losses) != 0 {
			t.Errorf("round %d: losses %v, want none", round, losses)
		}
		switch round {
		case 0:
			r.crash()
		case 1:
			r.close()
		}
	}
	n, _, _ := r.db.Unsealed("climate")
	if n != 800 {
		t.Errorf("%d readings to be sealed again, want 800", n)
	}
	r.seal("climate", n, 50)
	r.check(Query{Collection: "climate"})
	r.check(Query{Collection: "power"})
	r.verify()
	r.close()
	r.open()
	again, has, err := r.db.Own("climate")
	if err != nil || !has || again.Data.ID == own.Data.ID || r.db.Opened().TailLost {
		t.Errorf("Own %v, %v, opened %+v: want the new feed resumed", has, err, r.db.Opened())
	}
}

// What neither Badger nor the journal has any more becomes a loss with its number.
func TestOpen_tailLostIsCounted(t *testing.T) {
	r := newRig(t)
	r.fill("climate", 500)
	r.seal("climate", 500, 50)
	r.close()
	older := r.keepBadger()
	r.open()
	r.fill("climate", 300)
	r.seal("climate", 300, 50)
	r.close() // keeps the sealed record only
	r.rollBack(older)
	for round := range 3 {
		r.open()
		want := []sensors.Loss{{
			Collection: "climate", First: testStart + 499e9, Last: math.MaxInt64 - 1, Count: 300,
			Reason: sensors.LossReason(crdt.LossStoreTailLost),
		}}
		if diff := cmp.Diff(want, r.db.Losses("climate", 0)); diff != "" {
			t.Errorf("round %d: losses: -want +got\n%s", round, diff)
		}
		if got := len(r.rows(Query{Collection: "climate"})); got != 500 {
			t.Errorf("round %d: %d rows, want 500", round, got)
		}
		if round < 2 {
			r.close()
		}
	}
	if _, err := r.sealOnce("climate", 0, 50); err != nil {
		t.Fatal(err)
	}
	r.close()
	r.open()
	if o := r.db.Opened(); o.TailLost || len(r.db.Losses("climate", 0)) != 0 {
		t.Errorf("after the loss was sealed: %+v, losses %v, want none", o, r.db.Losses("climate", 0))
	}
}

// The whole database is gone: what the journal has comes back, the rest is counted.
func TestOpen_databaseGone(t *testing.T) {
	r := newRig(t)
	r.fill("climate", 500)
	r.seal("climate", 300, 50)
	r.crash()
	if err := os.RemoveAll(filepath.Join(r.dir, "badger")); err != nil {
		t.Fatal(err)
	}
	r.open()
	if !r.db.Opened().TailLost {
		t.Error("the tail is not said to be lost")
	}
	r.check(Query{Collection: "climate"})
	r.seal("climate", 500, 50)
	r.verify()
}

// lost opens the store and expects that Badger is, or is not, behind the journal, with so many readings gone.
func (r *rig) lost(is bool, gone uint64) {
	r.t.Helper()
	r.open()
	if o := r.db.Opened(); o.TailLost != is || len(o.Damage) > 0 {
		r.t.Errorf("opened %+v, want the tail lost: %v", o, is)
	}
	sum := uint64(0)
	for _, l := range r.db.Losses("climate", 1<<20) {
		sum += l.Count
	}
	if sum != gone {
		r.t.Errorf("losses of %d readings, want %d", sum, gone)
	}
}

// forget drops n readings from the model.
func (r *rig) forget(collection string, from, n int) {
	r.model[collection] = slices.Delete(r.model[collection], from, from+n)
}

// The tail is lost a second time, with the feeds that were opened after the first time: what had been settled is not
// counted again, and what is gone now is.
func TestOpen_tailLostTwice(t *testing.T) {
	for name, kept := range map[string]bool{"the journal has it": true, "it is gone": false} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			stop := r.close
			if kept {
				stop = r.crash
			}
			gone := uint64(0)
			r.fill("climate", 500)
			r.seal("climate", 500, 50)
			r.crash()
			older := r.keepBadger()
			for _, n := range []int{300, 200} {
				r.open()
				r.db.doubt.lasts = kept // no file is released
				for left, _, _ := r.db.Unsealed("climate"); left > 0; left, _, _ = r.db.Unsealed("climate") {
					r.seal("climate", left, 50)
				}
				if gone > 0 {
					if _, err := r.sealOnce("climate", 0, 50); err != nil { // the losses
						t.Fatal(err)
					}
				}
				r.fill("climate", n)
				r.seal("climate", n, 50)
				stop()
				r.rollBack(older)
				if gone = 0; !kept {
					gone = uint64(n)
					r.forget("climate", 500, n)
				}
				r.lost(true, gone)
				r.check(Query{Collection: "climate"})
				r.crash()
				r.lost(false, gone)
				r.crash()
			}
		})
	}
}

// A power cut takes the sealed record of the first seal after the whole database was lost.
func TestOpen_tailLostIsSettledOnce(t *testing.T) {
	r := newRig(t)
	r.fill("climate", 500)
	r.seal("climate", 300, 50)
	r.crash()
	if err := os.RemoveAll(filepath.Join(r.dir, "badger")); err != nil {
		t.Fatal(err)
	}
	r.lost(true, 0)
	before := filepath.Join(t.TempDir(), "journal")
	if err := os.CopyFS(before, os.DirFS(r.db.journalDir())); err != nil {
		t.Fatal(err)
	}
	dir := r.db.journalDir()
	r.seal("climate", 500, 500)
	r.crash()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS(before)); err != nil {
		t.Fatal(err)
	}
	r.lost(false, 0)
	if _, has, err := r.db.Own("climate"); err != nil || !has {
		t.Errorf("Own returned %v, %v, want the new feed resumed", has, err)
	}
	r.check(Query{Collection: "climate"})
	r.verify()
}

// A seal of losses alone is lost: its meta block must not be made a second time in the same feed.
func TestOpen_lostMetaBlock(t *testing.T) {
	r := newRig(t)
	r.fill("climate", 100)
	r.seal("climate", 100, 50)
	r.crash()
	older := r.keepBadger()
	r.open()
	r.lose("climate", 3)
	if _, err := r.sealOnce("climate", 0, 50); err != nil {
		t.Fatal(err)
	}
	r.crash()
	r.rollBack(older)
	r.lost(true, 3)
	if _, has, err := r.db.Own("climate"); err != nil || has {
		t.Errorf("Own returned %v, %v, want no feed to resume", has, err)
	}
}
