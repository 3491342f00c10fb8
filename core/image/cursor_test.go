package image

import (
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"odradek/core/record"
)

// TestSnapshotAndTail: whatever the records and wherever the cut, the image there, written as a snapshot in pieces of any size and read back, and then the records
// after the cut, are the image of all records.
func TestSnapshotAndTail(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := NewReplayer(Empty())
		var accepted []Record
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			img, err := all.Image()
			if err != nil {
				t.Fatal(err)
			}
			records := world{img}.draw(t)
			if _, err := img.Replay(records, img.At()); err != nil {
				continue
			}
			for _, r := range records {
				if err := all.Apply(r, At{Offset: record.Offset(len(accepted)), Epoch: 1}); err != nil {
					t.Fatal(err)
				}
				accepted = append(accepted, r)
			}
		}
		want, err := all.Image()
		if err != nil {
			t.Fatal(err)
		}
		cut := rapid.IntRange(0, len(accepted)).Draw(t, "cut")
		head, err := Empty().Replay(accepted[:cut], At{Offset: record.Offset(cut) - 1, Epoch: 1})
		if err != nil {
			t.Skip("the cut lies within a batch")
		}
		p := NewReplayer(Empty())
		var pieces []Record
		for cursor := head.Cursor(); ; {
			n := rapid.IntRange(1, 9).Draw(t, "piece")
			piece := cursor.Next(n)
			if len(piece) > n {
				t.Fatalf("%d records in a piece of %d", len(piece), n)
			}
			if len(piece) == 0 {
				break
			}
			pieces = append(pieces, piece...)
		}
		if !reflect.DeepEqual(pieces, slices.Collect(head.Records())) {
			t.Fatal("the pieces are not the records")
		}
		for _, r := range pieces {
			value, err := AppendRecord(nil, r, VersionFor(r, MetadataVersionLatest))
			if err != nil {
				t.Fatal(err)
			}
			back, _, err := ParseRecord(value)
			if err == nil {
				err = p.Apply(back, head.At())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for i, r := range accepted[cut:] {
			if err := p.Apply(r, At{Offset: record.Offset(cut + i), Epoch: 1}); err != nil {
				t.Fatal(err)
			}
		}
		p.Skip(want.At())
		got, err := p.Image()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%v: snapshot at %d and the rest make\n%s\nwant\n%s", err, cut, dump(got), dump(want))
		}
	})
}
