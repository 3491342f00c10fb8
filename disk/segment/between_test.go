package segment

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
)

// fiveBatches returns a segment of five batches of two records and where each begins.
func fiveBatches() (file []byte, at []int) {
	for i := range 5 {
		at = append(at, len(file))
		file = append(file, stamped(spec{base: record.Offset(2 * i), n: 2, pid: -1, pad: 20})...)
	}
	return file, at
}

// A good batch between two damaged ones is followed by none that is good: what is left of the header behind it says that it is one.
func TestGoodBatchBetweenDamagedOnes(t *testing.T) {
	file, at := fiveBatches()
	file[at[1]+16] ^= 0x40 // magic
	file[at[3]+70] ^= 1    // records
	_, d := lay(t, []record.Offset{0}, [][]byte{file})
	opened, err := recoverAll(d)
	check(t, err)
	lost := opened[0].Lost
	if len(lost) != 2 || lost[0].From != 2 || lost[0].To != 4 || lost[1].From != 6 || lost[1].To != 8 || opened[0].LogEnd != 10 {
		t.Fatalf("recovered: %s", printOpened(opened[0]))
	}
}

// Damage that recovery has not met, because it lies below the recovery point or came later, hides no more than itself.
func TestReadsBehindABadHeader(t *testing.T) {
	file, at := fiveBatches()
	disk, d := lay(t, []record.Offset{0}, [][]byte{file})
	_, err := recoverAll(d)
	check(t, err)
	check(t, disk.Flip(testFolder+"/"+logName(0), int64(at[1]+16), 6))
	v, _ := d.View(sid("a"))
	for from := range record.Offset(10) {
		found := v.Locate(core.LocatePartition{Stream: stream.ID{}, From: from, Limit: 10, MaxBytes: 1 << 20}, 1<<20, true, nil)
		hit := from == 2 || from == 3
		if bad := found.Err.String() == "CORRUPT_MESSAGE"; bad != hit {
			t.Errorf("offset %d: %v, %d extents", from, found.Err, len(found.Extents))
		} else if !hit && (len(found.Extents) == 0 || int(found.Extents[0].Pos) != at[from/2]) {
			t.Errorf("offset %d: %v", from, found.Extents)
		}
	}
}

// What a record holds is no batch of the log, even if it looks like one and its offset fits.
func TestBatchInsideADamagedOne(t *testing.T) {
	inner := string(stamped(spec{base: 3, n: 1, pid: -1, pad: 5}))
	outer := stamped(spec{base: 2, n: 1, pid: -1, pad: 300})
	i := strings.Index(string(outer), "vvv")
	copy(outer[i:], inner)
	outer[16] ^= 0x40
	first := stamped(spec{base: 0, n: 2, pid: -1, pad: 5})
	behind := stamped(spec{base: 3, n: 2, pid: -1, pad: 5})
	file := append(append(append([]byte{}, first...), outer...), behind...)
	file = append(file, stamped(spec{base: 5, n: 1, pid: -1, pad: 5})...)
	_, d := lay(t, []record.Offset{0}, [][]byte{file})
	opened, err := recoverAll(d)
	check(t, err)
	if l := opened[0].Lost; len(l) != 1 || l[0].From != 2 || l[0].To != 3 || opened[0].LogEnd != 6 {
		t.Fatalf("recovered: %s", printOpened(opened[0]))
	}
	v, _ := d.View(sid("a"))
	found := v.Locate(core.LocatePartition{From: 3, Limit: 6, MaxBytes: 1 << 20}, 1<<20, true, nil)
	if len(found.Extents) != 1 || int(found.Extents[0].Pos) != len(first)+len(outer) {
		t.Fatalf("offset 3: %v %v", found.Err, found.Extents)
	}
}

// Offsets of damaged batches at a log's end are not given out again, however many there are and whatever is left of them.
func TestSeveralDamagedAtTheEnd(t *testing.T) {
	for _, headers := range []bool{false, true} {
		file, at := fiveBatches()
		file[at[3]+70] ^= 1
		file[at[4]+70] ^= 1
		if headers {
			file[at[3]+16] ^= 0x40
		}
		_, d := lay(t, []record.Offset{0}, [][]byte{file})
		opened, err := recoverAll(d)
		check(t, err)
		if o := opened[0]; len(o.Lost) != 1 || o.Lost[0].From != 6 || o.LogEnd < 10 {
			t.Errorf("headers damaged too: %t: %s", headers, printOpened(o))
		}
	}
}

// Zeros behind a damaged batch are of a later write, which was interrupted: they do not make the damage a lost write.
func TestDamageBeforeAnInterruptedWrite(t *testing.T) {
	file, at := fiveBatches()
	file[at[4]+16] ^= 0x40
	file = append(file, stamped(spec{base: 10, n: 2, pid: -1, pad: 20})[:20]...)
	file = append(file, make([]byte, 2*sector)...)
	_, d := lay(t, []record.Offset{0}, [][]byte{file})
	opened, err := recoverAll(d)
	check(t, err)
	if o := opened[0]; len(o.Lost) != 1 || o.Lost[0].From != 8 || o.LogEnd < 10 {
		t.Errorf("recovered: %s", printOpened(o))
	}
}

// A bad length that still fits leads to no batch: the one that was passed over is found. Nor does a bad count of offsets hide what is behind.
func TestReadsBehindABadLength(t *testing.T) {
	file, at := fiveBatches()
	for _, bit := range []struct{ at, bit int }{{11, 4}, {26, 2}} {
		bad := slices.Clone(file)
		bad[at[1]+bit.at] ^= 1 << bit.bit
		readsBehind(t, file, bad, at)
	}
	for _, end := range []int{3, 4} { // where a good batch begins
		bad := slices.Clone(file)
		binary.BigEndian.PutUint32(bad[at[1]+8:], uint32(at[end]-at[1]-record.LogOverhead))
		readsBehind(t, file, bad, at)
	}
}

func readsBehind(t *testing.T, file, bad []byte, at []int) {
	disk, d := lay(t, []record.Offset{0}, [][]byte{file})
	_, err := recoverAll(d)
	check(t, err)
	for i := range bad {
		for bit := range 8 {
			if (bad[i]^file[i])>>bit&1 == 1 {
				check(t, disk.Flip(testFolder+"/"+logName(0), int64(i), bit))
			}
		}
	}
	v, _ := d.View(sid("a"))
	found := v.Locate(core.LocatePartition{From: 4, Limit: 10, MaxBytes: 1 << 20}, 1<<20, true, nil)
	if len(found.Extents) == 0 || int(found.Extents[0].Pos) != at[2] {
		t.Errorf("offset 4: %v, %v", found.Err, found.Extents)
	}
}

// A length that rotted so that it ends where a later batch begins passes over good ones: they are not lost. In the file's middle, at its end, and where two follow upon
// one another.
func TestLengthThatEndsAtALaterBatch(t *testing.T) {
	file, at := fiveBatches()
	for _, c := range []struct {
		bad, end int // by batch
		also     int // damaged, too
	}{{1, 3, 0}, {1, 4, 0}, {0, 2, 0}, {0, 4, 0}, {2, 4, 0}, {2, 5, 0}, {1, 5, 0}, {1, 4, 3}} {
		bad := slices.Clone(file)
		ends := append(slices.Clone(at), len(file))
		binary.BigEndian.PutUint32(bad[at[c.bad]+8:], uint32(ends[c.end]-at[c.bad]-record.LogOverhead))
		want := []record.Offset{record.Offset(2 * c.bad)}
		if c.also > 0 {
			bad[at[c.also]+70] ^= 1
			want = append(want, record.Offset(2*c.also))
		}
		_, d := lay(t, []record.Offset{0}, [][]byte{bad})
		opened, err := recoverAll(d)
		check(t, err)
		lost := opened[0].Lost
		ok := len(lost) == len(want) && opened[0].LogEnd == 10
		for i := range lost {
			ok = ok && lost[i].From == want[i] && lost[i].To == want[i]+2
		}
		if !ok {
			t.Errorf("batch %d ends where %d begins: %s", c.bad, c.end, printOpened(opened[0]))
		}
	}
}

// A length that is right is believed though its batch is damaged and offsets are missing behind it: the batches that a record of it holds are none of the log.
func TestChainInsideADamagedOne(t *testing.T) {
	inner := string(stamped(spec{base: 3, n: 1, pid: -1, pad: 5})) + string(stamped(spec{base: 4, n: 1, pid: -1, pad: 5}))
	outer := stamped(spec{base: 2, n: 1, pid: -1, pad: len(inner)})
	copy(outer[strings.Index(string(outer), "vvv"):], inner)
	outer[50] ^= 1
	file := append(stamped(spec{base: 0, n: 2, pid: -1}), outer...)
	file = append(file, stamped(spec{base: 6, n: 2, pid: -1})...)
	_, d := lay(t, []record.Offset{0}, [][]byte{file})
	opened, err := recoverAll(d)
	check(t, err)
	if l := opened[0].Lost; len(l) != 1 || l[0].From != 2 || l[0].To != 6 || opened[0].LogEnd != 8 {
		t.Fatalf("recovered: %s", printOpened(opened[0]))
	}
}

// What ends with a damaged batch, as the value of its last header may, is none of the log either, if the batch's count of offsets leads where its length does.
func TestChainAtTheEndOfADamagedOne(t *testing.T) {
	inner := stamped(spec{base: 2, n: 1, pid: -1, pad: 5})
	outer := stamped(spec{base: 2, n: 1, pid: -1, pad: 300})
	copy(outer[len(outer)-len(inner):], inner)
	file := append(stamped(spec{base: 0, n: 2, pid: -1}), outer...)
	file = append(file, stamped(spec{base: 3, n: 2, pid: -1})...)
	_, d := lay(t, []record.Offset{0}, [][]byte{file})
	opened, err := recoverAll(d)
	check(t, err)
	if l := opened[0].Lost; len(l) != 1 || l[0].From != 2 || l[0].To != 3 || opened[0].LogEnd != 5 {
		t.Fatalf("recovered: %s", printOpened(opened[0]))
	}
}

// A base offset that leaps is damage in a segment that its index vouches for, too: what follows it is there.
func TestLeapBelowTheRecoveryPoint(t *testing.T) {
	file, _ := fiveBatches()
	at := len(file) // behind the last entry of the index
	file = append(file, stamped(spec{base: 10, n: 2, pid: -1, pad: 20})...)
	second := stamped(spec{base: 12, n: 2, pid: -1, pad: 20})
	disk, d := lay(t, []record.Offset{0, 12}, [][]byte{file, second})
	_, err := recoverAll(d) // which makes the indexes
	check(t, err)
	check(t, disk.Flip(testFolder+"/"+logName(0), int64(at+1), 3))
	disk.Crash()
	fs := disk.Mount()
	for name, text := range map[string][]byte{ // any order: files
		"recovery-point-offset-checkpoint":  []byte("0\n1\norders 0 14\n"),
		testFolder + "/" + epochsFile:       []byte("0\n1\n0 0\n"),
		testFolder + "/" + snapshotName(14): FormatSnapshot(nil),
	} {
		f, err := fs.Create(name)
		check(t, err)
		_, err = f.WriteAt([][]byte{text}, 0)
		check(t, err)
	}
	opened, err := recoverAll(openDir(fs))
	check(t, err)
	if o := opened[0]; o.LogEnd != 14 || len(o.Lost) != 1 || o.Lost[0].From != 10 || o.Lost[0].To != 12 {
		t.Errorf("recovered: %s", printOpened(o))
	}
}
