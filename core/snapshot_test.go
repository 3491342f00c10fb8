package core

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestDamagedSnapshot flips a bit of every byte of the newest snapshot, and cuts it at every length: a start must come to the same topics from the one before it,
// or from it where the bit tells nothing (leader epochs lie outside the CRC).
func TestDamagedSnapshot(t *testing.T) {
	const often = "boot metadata.log.max.record.bytes.between.snapshots=300 metadata.max.retention.bytes=-1"
	n := &testNode{t: t, held: map[string]bool{}, out: &strings.Builder{}, files: map[string][]byte{}}
	for _, line := range []string{often, "create topic=a", "create topic=b segment.bytes=300", "create topic=c", "create topic=d"} {
		n.command(strings.Fields(line))
	}
	names := slices.Sorted(maps.Keys(n.files))
	if len(names) < 2 {
		t.Fatalf("only %v were written", names)
	}
	newest := names[len(names)-1]
	before, whole, damaged := *n, n.files[newest], 0
	try := func(what string, at int, text []byte) {
		n := before
		n.out, n.files, n.log, n.bases, n.epochs = &strings.Builder{}, maps.Clone(before.files), slices.Clone(before.log), slices.Clone(before.bases), slices.Clone(before.epochs)
		n.files[newest] = text
		n.command(strings.Fields("boot metadata.max.retention.bytes=-1"))
		said := n.out.String()
		if !strings.Contains(said, `topics="4"`) || n.core.halted {
			t.Fatalf("%s at %d of %d:\n%s", what, at, len(whole), said)
		}
		if strings.Contains(said, "Note snapshot-damaged") {
			damaged++
		}
	}
	for at := range whole {
		text := slices.Clone(whole)
		text[at] ^= 1
		try("flipped", at, text)
		try("cut", at, whole[:at])
	}
	if least := 2*len(whole) - 4*4; damaged < least {
		t.Errorf("%d of %d damages were noticed, want %d", damaged, 2*len(whole), least)
	}
}
