package segment

import (
	"slices"
	"strings"
	"testing"

	"odradek/core/record"
)

// No CRC covers a batch's offset. The name of the next segment bounds it, even where that segment's own first batch cannot be read.
func TestOffsetBeyondTheNextSegment(t *testing.T) {
	wrong, torn := stamped(spec{base: 6144, n: 2, pid: 7}), stamped(spec{base: 60, n: 1, pid: -1})
	_, dir := lay(t, []record.Offset{0, 60}, [][]byte{wrong, torn[:40]})
	all, err := recoverAll(dir)
	check(t, err)
	if o := all[0]; o.LogEnd != 60 || len(o.Lost) != 1 || !strings.Contains(o.Lost[0].Why, "lies beyond the next segment's 60") {
		t.Error(printOpened(o))
	}
}

// A torn tail vouches for no leap of the batch before it: a recovery that took the batch for its sake would cut the tail, and the next one would see none.
func TestLeapBeforeATornTail(t *testing.T) {
	leapt := stamped(spec{base: 2, n: 1, pid: -1})
	_, dir := lay(t, []record.Offset{0}, [][]byte{append(slices.Clone(leapt), 1)})
	all, err := recoverAll(dir)
	check(t, err)
	again, err := recoverAll(openDir(dir.FS()))
	check(t, err)
	if o := all[0]; o.LogEnd != again[0].LogEnd || !slices.Equal(ranges(o), ranges(again[0])) || len(o.Lost) != 1 {
		t.Errorf("first %s, then %s", printOpened(o), printOpened(again[0]))
	}
}
