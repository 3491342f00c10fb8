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

// Nor does anything vouch for a whole batch whose offset was there before, as a misdirected write leaves it: what it held is lost, and no offset is given twice.
func TestOffsetThatWasThereBefore(t *testing.T) {
	first, second, third := stamped(spec{base: 0, n: 3, pid: -1}), stamped(spec{base: 1, n: 2, pid: 7}), stamped(spec{base: 5, n: 1, pid: -1})
	_, dir := lay(t, []record.Offset{0}, [][]byte{slices.Concat(first, second, third)})
	all, err := recoverAll(dir)
	check(t, err)
	if o := all[0]; o.LogEnd != 6 || len(o.Lost) != 1 || o.Lost[0].From != 3 || o.Lost[0].To != 5 || !strings.Contains(o.Lost[0].Why, "base offset 1 does not follow 2") || len(o.Producers) != 0 {
		t.Error(printOpened(o))
	}
}
