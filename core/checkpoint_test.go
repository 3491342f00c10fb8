package core

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"odradek/core/record"
)

func TestCheckpointRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var entries []CheckpointEntry
		for range rapid.IntRange(0, 5).Draw(t, "entries") {
			entries = append(entries, CheckpointEntry{rapid.StringMatching(`[a-zA-Z0-9._-]{1,20}`).Draw(t, "topic"),
				rapid.Int32Range(0, 1<<31-1).Draw(t, "partition"), record.Offset(rapid.Int64Range(0, 1<<63-1).Draw(t, "offset"))})
		}
		text := FormatCheckpoint(entries)
		got, err := ParseCheckpoint(text)
		if err != nil || !slices.Equal(got, entries) {
			t.Fatalf("%q is read as %v, %v", text, got, err)
		}
		if cut := rapid.IntRange(0, len(text)-2).Draw(t, "cut"); len(entries) > 0 {
			if got, err := ParseCheckpoint(text[:cut]); err == nil && slices.Equal(got, entries) {
				t.Fatalf("%q is read as whole", text[:cut])
			}
		}
	})
}

func TestCheckpointRefusals(t *testing.T) {
	for _, text := range []string{"\n", "1\n0\n", "0\n", "0\n2\na 0 1\n", "0\n1\na 0\n", "0\n1\na -1 0\n", "0\n1\na 0 x\n", "0\n1\n 0 1\n"} {
		if got, err := ParseCheckpoint([]byte(text)); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}
