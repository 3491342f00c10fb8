package segment

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"odradek/core"
	"odradek/core/producer"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/sim/simdisk"
)

// besideLog makes a log of two segments of n batches, whose recovery point is its end: three epochs, one producer, times that rise in threes.
func besideLog(t *testing.T, n int) (*simdisk.Disk, []laid) {
	disk := simdisk.New()
	d := openDir(disk.Mount())
	id := sid("a")
	state := &core.LogState{}
	d.writeAll([]core.DiskOp{{Kind: core.DiskCreate, Stream: id, Topic: "orders"}})
	var logged []laid
	entry := producer.Entry{ID: 7}
	for i := range 2 * n {
		base := record.Offset(2 * i)
		s := spec{base: base, n: 2, epoch: []record.Epoch{3, 5, 9}[3*i/(2*n)], pid: 7, seq: int32(2 * i), pad: 60, ts: record.UnixMillis(i / 3 * 10)}
		if k := len(state.Epochs); k == 0 || state.Epochs[k-1].Epoch != s.epoch {
			state.Epochs = append(slices.Clone(state.Epochs), stream.EpochStart{Epoch: s.epoch, Start: base})
		}
		if i == n {
			state.Producers = []producer.Entry{entry}
			d.writeAll([]core.DiskOp{{Kind: core.DiskRoll, Stream: id, Base: base, State: &core.LogState{Epochs: state.Epochs, Producers: state.Producers}}})
		}
		b := build(s)
		w := producerWindow(entry)
		w.add(producer.Appended{FirstSequence: s.seq, LastSequence: s.seq + 1, BaseOffset: base, LastOffset: base + 1, Timestamp: b.MaxTimestamp})
		entry = producer.Entry(w)
		logged = append(logged, laid{base: base, data: b.Data})
		d.writeAll([]core.DiskOp{{Kind: core.DiskAppend, Stream: id, Batch: b}})
	}
	state.Producers = []producer.Entry{entry}
	d.writeAll([]core.DiskOp{{Kind: core.DiskCheckpoint, Stream: id, State: state, Close: true}})
	d.syncAll()
	d.Store(core.Store{Slot: core.Slot{Name: core.RecoveryPointCheckpoint}, Bytes: core.FormatCheckpoint([]core.CheckpointEntry{{Topic: "orders", Offset: record.Offset(4 * n)}})})
	disk.Crash()
	return disk, logged
}

// whatHolds looks every offset and every time up, and returns what recovery found beside the batches.
func whatHolds(t *testing.T, where string, d *Dir, o *core.Opened, logged []laid) string {
	v, _ := d.View(sid("a"))
	for _, b := range logged {
		for offset := b.base; offset < b.base+2; offset++ {
			for _, limit := range []record.Offset{offset + 2, v.Next()} {
				q := core.LocatePartition{Stream: sid("a"), From: offset, Limit: limit, MaxBytes: 500}
				got := v.Locate(q, 500, true, nil)
				if b.base+2 > limit {
					continue
				}
				if len(got.Extents) == 0 {
					t.Fatalf("%s: offset %d limit %d: %v and nothing; index %x", where, offset, limit, got.Err, v.segment(0).index.offsets)
				}
				data := readExtents(t, &v, got.Extents)
				if err := checkAll(data); err != nil || !bytes.HasPrefix(data, b.data) {
					t.Fatalf("%s: offset %d: %v, or other bytes", where, offset, err)
				}
				if end := lastOf(data) + 1; end > limit {
					t.Fatalf("%s: offset %d: served up to %d, where %d is the limit", where, offset, end, limit)
				}
			}
		}
	}
	for ts := range record.UnixMillis(len(logged) / 3 * 10) {
		want := record.Offset(ts+9) / 10 * 6
		if ts%10 == 1 {
			want = record.Offset(ts)/10*6 + 1
		}
		got := v.Locate(core.LocatePartition{ByTime: true, Timestamp: ts, Limit: v.Next()}, 1, false, nil)
		if got.Offset != want && want < v.Next() {
			t.Fatalf("%s: time %d: offset %d, want %d", where, ts, got.Offset, want)
		}
	}
	return fmt.Sprint(o.Epochs, o.Producers, o.LogStart, o.LogEnd, o.Segments, o.Lost, o.Cut)
}

func readExtents(t *testing.T, v *View, extents []stream.Extent) (data []byte) {
	for _, x := range extents {
		file, _ := v.File(x.Base)
		part := make([]byte, x.Len)
		_, err := file.ReadAt(part, int64(x.Pos))
		check(t, err)
		data = append(data, part...)
	}
	return data
}

func lastOf(data []byte) (last record.Offset) {
	for it := record.Batches(data); it.Next(); {
		last = it.Batch.LastOffset()
	}
	return last
}

// TestEveryBitBesideTheLog turns each bit of each file that can be made anew from the log: whoever recovers it finds what there was, and reads all of it.
func TestEveryBitBesideTheLog(t *testing.T) {
	const batches = 12
	disk, logged := besideLog(t, batches)
	d := openDir(disk.Mount())
	all, err := recoverAll(d)
	check(t, err)
	want := whatHolds(t, "undamaged", d, all[0], logged)
	names, _ := disk.DurableNames(testFolder)
	flips := map[string]int{}
	for _, name := range names {
		if strings.HasSuffix(name, logSuffix) || name == metadataFile {
			continue
		}
		data, _ := disk.DurableData(testFolder + "/" + name)
		for bit := range 8 * len(data) {
			if bit%7 > 0 && *thorough < 65536 {
				continue
			}
			flips[name]++
			hit, logged := besideLog(t, batches)
			check(t, hit.Flip(testFolder+"/"+name, int64(bit/8), bit%8))
			d := openDir(hit.Mount())
			all, err := recoverAll(d)
			where := fmt.Sprintf("%s bit %d", name, bit)
			if err != nil {
				t.Fatalf("%s: %v", where, err)
			}
			if got := whatHolds(t, where, d, all[0], logged); got != want {
				t.Fatalf("%s: %s\nwant %s", where, got, want)
			}
		}
	}
	if len(flips) < 7 {
		t.Errorf("too few files: %v", flips)
	}
	t.Logf("bits turned: %v", flips)
}

// TestEveryBitOfAnOpenIndex turns each bit of the indexes of a log that is being read: a mapping is read from the disk again when memory is short.
func TestEveryBitOfAnOpenIndex(t *testing.T) {
	disk, logged := besideLog(t, 12)
	d := openDir(disk.Mount())
	all, err := recoverAll(d)
	check(t, err)
	turned := 0
	for i := range d.logs[sid("a")].segs {
		x := &d.logs[sid("a")].segs[i].index
		for _, entries := range [][]byte{x.offsets, x.times} {
			for bit := range 8 * len(entries) {
				entries[bit/8] ^= 1 << (bit % 8)
				whatHolds(t, fmt.Sprintf("segment %d of %d bytes, bit %d", i, len(entries), bit), d, all[0], logged)
				entries[bit/8] ^= 1 << (bit % 8)
				turned++
			}
		}
	}
	if turned < 500 {
		t.Errorf("%d bits", turned)
	}
}

// A file of epochs whose entries all lie behind what it is used for says nothing of the batches that are there: the log contradicts it (seed 404213).
func TestEpochsBehindTheLog(t *testing.T) {
	disk, logged := besideLog(t, 12)
	d := openDir(disk.Mount())
	all, err := recoverAll(d)
	check(t, err)
	want := whatHolds(t, "undamaged", d, all[0], logged)
	hit, logged := besideLog(t, 12)
	fs := hit.Mount()
	check(t, fs.Remove(testFolder+"/"+epochsFile))
	file, err := fs.Create(testFolder + "/" + epochsFile)
	check(t, err)
	_, err = file.WriteAt([][]byte{[]byte("0\n1\n3 900\n")}, 0)
	check(t, err)
	check(t, file.SyncData())
	d = openDir(hit.Mount())
	all, err = recoverAll(d)
	check(t, err)
	if got := whatHolds(t, "behind", d, all[0], logged); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}
