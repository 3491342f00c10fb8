package segment

import (
	"errors"
	"math/rand/v2"
	"testing"

	"odradek/core"
	"odradek/core/record"
	"odradek/disk/vfs"
	"odradek/sim/simdisk"
)

func TestProperties(t *testing.T) {
	p := Properties{ClusterID: `a=b:c\d`, NodeID: 7, DirectoryID: record.UUID{1, 2}}
	got, err := ParseProperties(p.Format())
	if err != nil || got != p {
		t.Fatalf("%v %v", got, err)
	}
	got, err = ParseProperties([]byte("#\n#Mon Jan 01\nnode.id=1\ndirectory.id=AQIAAAAAAAAAAAAAAAAAAA\r\nversion=1\ncluster.id = xyz\nother=1\n"))
	if want := (Properties{ClusterID: "xyz", NodeID: 1, DirectoryID: record.UUID{1, 2}}); err != nil || got != want {
		t.Fatalf("as Kafka writes it: %v %v", got, err)
	}
	for _, bad := range []string{"", "version=0\nbroker.id=1\n", "version=1\nnode.id=x\n", "version=1\nnode.id=1\n", "version=1\nline\n",
		"version=1\nnode.id=1\ncluster.id=a\ndirectory.id=short\n"} {
		if _, err := ParseProperties([]byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
	d := openDir(simdisk.New().Mount())
	if _, err := d.ReadProperties(); !errors.Is(err, vfs.ErrNotExist) {
		t.Fatalf("unformatted: %v", err)
	}
	check(t, d.WriteProperties(p))
	if got, err := d.ReadProperties(); err != nil || got != p {
		t.Fatalf("%v %v", got, err)
	}
	lock, err := d.Lock()
	check(t, err)
	if _, err := d.Lock(); !errors.Is(err, vfs.ErrLocked) {
		t.Fatalf("second lock: %v", err)
	}
	check(t, lock.Close())
}

// A crash at any operation of a Store leaves the old or the new text, whole; after Stored only the new. What was once read stays.
func TestStoreIsAtomic(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 5))
		disk := simdisk.New()
		store := func(text string) bool {
			ev, ok := openDir(disk.Mount()).Store(core.Store{Slot: core.Slot{Name: "meta-0/quorum-state"}, Version: 3, Bytes: []byte(text)})
			return ok && ev.Kind == core.EvStored && ev.Version == 3
		}
		if !store("old") {
			t.Fatal("not stored")
		}
		at := disk.Ops() + 1 + rng.IntN(8)
		disk.Before = func(op simdisk.Op) error {
			if op.N == at && rng.IntN(2) == 0 {
				disk.Crash()
			} else if op.N == at {
				disk.PowerLoss(rng.IntN)
			}
			return nil
		}
		stored := store("new")
		first, err := openDir(disk.Mount()).ReadSlot("meta-0/quorum-state")
		if at > disk.Ops()-4 && err != nil {
			continue // the crash hit the reading
		}
		check(t, err)
		if string(first) != "new" && (stored || string(first) != "old") {
			t.Fatalf("seed %d: stored %v, the slot has %q", seed, stored, first)
		}
		disk.PowerLoss(rng.IntN)
		again, err := openDir(disk.Mount()).ReadSlot("meta-0/quorum-state")
		check(t, err)
		if string(again) != string(first) {
			t.Fatalf("seed %d: read %q, later %q", seed, first, again)
		}
	}
}
