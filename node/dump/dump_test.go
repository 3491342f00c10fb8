package dump

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"odradek/core"
	"odradek/core/image"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/disk/segment"
	"odradek/disk/vfs/osfs"
	"odradek/net/codec"
	"odradek/node/cli"
)

// perBatch is the number of records of a test batch; every value has this prefix.
const perBatch = 10

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write makes a log directory by a real segment.Dir: a topic with a batch of each codec, twice, in two segments, and a metadata log.
func write(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	dir := segment.OpenDir(osfs.New(root), 0)
	check(t, dir.WriteProperties(segment.Properties{ClusterID: "c", NodeID: 1, DirectoryID: record.UUID{1}}))
	orders := stream.ID{Topic: record.UUID{0: 7}}
	ops := []core.DiskOp{{Kind: core.DiskCreate, Stream: orders, Topic: "orders"}, {Kind: core.DiskCreate, Stream: stream.Metadata, Topic: stream.MetadataName}}
	var all codec.Codec
	for i := range 10 {
		base := record.Offset(i * perBatch)
		if i == 5 {
			ops = append(ops, core.DiskOp{Kind: core.DiskRoll, Stream: orders, Base: base})
		}
		var b record.Builder
		spec := record.PlainSpec(record.Attributes(i % 5))
		spec.BaseOffset, spec.LeaderEpoch, spec.ProducerID, spec.ProducerEpoch, spec.BaseSequence = base, record.Epoch(i/4), 9, 0, int32(base)
		b.Reset(spec)
		for r := range perBatch {
			n := int(base) + r
			b.Append(record.UnixMillis(1000+n), fmt.Appendf(nil, "key-%d", n), fmt.Appendf(nil, "value-%d\t%s", n, strings.Repeat("x", 40)), []record.Header{{Key: []byte("h")}})
		}
		batch, err := b.Build(&all)
		check(t, err)
		ops = append(ops, core.DiskOp{Kind: core.DiskAppend, Stream: orders, Batch: batch})
	}
	ops = append(ops, metadataOps(t)...)
	if done, events := dir.Write(ops, nil); done != len(ops) || dir.Err() != nil {
		t.Fatal(done, events, dir.Err())
	}
	check(t, dir.CloseFiles())
	return root
}

// metadataOps appends a LeaderChange and a topic.
func metadataOps(t *testing.T) []core.DiskOp {
	t.Helper()
	leader, err := image.AppendControl(nil, &image.LeaderChange{Leader: 1, Voters: []record.NodeID{1}})
	check(t, err)
	topic, err := image.AppendRecord(nil, &image.TopicRecord{Name: "orders", ID: record.UUID{0: 7}}, 0)
	check(t, err)
	var first, second record.Builder
	first.Reset(record.PlainSpec(record.AttrControl))
	first.Append(5, record.AppendControlKey(nil, record.ControlLeaderChange), leader, nil)
	spec := record.PlainSpec(0)
	spec.BaseOffset = 1
	second.Reset(spec)
	second.Append(6, nil, topic, nil)
	var ops []core.DiskOp
	for _, b := range []*record.Builder{&first, &second} {
		batch, err := b.Build(nil)
		check(t, err)
		ops = append(ops, core.DiskOp{Kind: core.DiskAppend, Stream: stream.Metadata, Batch: batch})
	}
	return ops
}

func dump(f flags, args ...string) (out, said string, err error) {
	var o, s bytes.Buffer
	err = run(&f, args, &o, &s)
	return o.String(), s.String(), err
}

func TestBatchesAndRecords(t *testing.T) {
	root := write(t)
	first := filepath.Join(root, "orders-0", "00000000000000000000.log")
	second := filepath.Join(root, "orders-0", "00000000000000000050.log")
	out, said, err := dump(flags{}, first, second)
	if lines := strings.Split(strings.TrimSpace(out), "\n"); err != nil || said != "" || len(lines) != 10 ||
		!strings.HasPrefix(lines[6], second+"\tbatch\t") || !strings.Contains(lines[6], "\t60\t69\t10\t1\tgzip\t") || !strings.Contains(lines[6], "\tok\t1060\t1069\t9\t0\t60\t-") {
		t.Fatalf("%v %s\n%s", err, said, out)
	}
	out, _, err = dump(flags{records: true}, root)
	check(t, err)
	for n := range 100 {
		want := fmt.Sprintf("\trecord\t%d\t%d\t\"key-%d\"\t\"value-%d\\t%s\"\t[[\"h\",null]]\n", n, 1000+n, n, n, strings.Repeat("x", 40))
		if !strings.Contains(out, want) {
			t.Fatalf("no %q in\n%s", want, out)
		}
	}
	for _, want := range []string{"\tLeaderChange\t{\"Leader\":1,\"Voters\":[1],\"Granting\":null}\n", "\tTopic/0\t{\"Name\":\"orders\",\"ID\":\"BwAAAAAAAAAAAAAAAAAAAA\"}\n",
		"\tpartition\tBwAAAAAAAAAAAAAAAAAAAA\n", "\tproperties\tc\t1\tAQAAAAAAAAAAAAAAAAAAAA\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestJSON(t *testing.T) {
	root := write(t)
	out, _, err := dump(flags{records: true, output: "json"}, root)
	check(t, err)
	kinds := map[string]int{}
	for line := range strings.Lines(out) {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		kinds[row["kind"].(string)]++
	}
	if kinds["batch"] != 12 || kinds["record"] != 102 || kinds["partition"] != 2 || kinds["properties"] != 1 {
		t.Fatal(kinds)
	}
	if got := jsonText(octets{0xff}); got != `{"base64":"/w=="}` {
		t.Error(got)
	}
}

func TestTable(t *testing.T) {
	root := write(t)
	var out bytes.Buffer
	j := &job{flags: &flags{}, folders: map[string]*tail{}, path: filepath.Join(root, "orders-0", "00000000000000000000.log")}
	j.printer = printer{out: bufio.NewWriter(&out), table: true}
	check(t, j.log())
	j.finish()
	check(t, j.out.Flush())
	lines := strings.Split(out.String(), "\n")
	if lines[0] != j.path || !strings.HasPrefix(lines[1], "  KIND   POSITION  FIRST  LAST  COUNT") || !strings.HasPrefix(lines[2], "  batch  0         0      9     10") {
		t.Fatal(out.String())
	}
}

func TestVerifyIntact(t *testing.T) {
	root := write(t)
	writeIndexes(t, filepath.Join(root, "orders-0"))
	out, said, err := dump(flags{verify: true}, root)
	if err != nil || said != "" {
		t.Fatalf("%v\n%s\n%s", err, said, out)
	}
	for _, want := range []string{"\tok\tlog\t5\t50\t50..99\t", "\tok\tindex\t5\n", "\tok\ttimeindex\t5\n", "\tok\tsnapshot\t1\n", "\tok\ttxnindex\t1\n", "\tok\tcheckpoint\t3\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// writeIndexes writes what Kafka would beside the second segment, made by the formats' description; the .index with zeros behind, as a growing one has them.
func writeIndexes(t *testing.T, folder string) {
	t.Helper()
	j := job{flags: &flags{}, path: filepath.Join(folder, "00000000000000000050.index")}
	batches, err := j.places()
	check(t, err)
	be := binary.BigEndian
	var index, times []byte
	for _, b := range batches {
		index = be.AppendUint32(be.AppendUint32(index, uint32(b.last-50)), uint32(b.pos))
		times = be.AppendUint32(be.AppendUint64(times, uint64(b.maxTime)), uint32(b.last-50))
	}
	entry := be.AppendUint16(be.AppendUint64(be.AppendUint32(nil, 1), 9), 0) // count, producer, epoch
	entry = be.AppendUint64(be.AppendUint32(entry, 99), 99)                  // last sequence, last offset
	entry = be.AppendUint32(be.AppendUint64(be.AppendUint32(entry, 9), 1099), 0)
	entry = be.AppendUint64(entry, ^uint64(0))
	snapshot := append(be.AppendUint32([]byte{0, 1}, crc32.Checksum(entry, crc32.MakeTable(crc32.Castagnoli))), entry...)
	txn := be.AppendUint64(be.AppendUint64(be.AppendUint64(be.AppendUint64([]byte{0, 0}, 9), 51), 60), 61)
	for name, data := range map[string][]byte{"00000000000000000050.index": append(index, make([]byte, 64)...), "00000000000000000050.timeindex": times,
		"00000000000000000100.snapshot": snapshot, "00000000000000000050.txnindex": txn, "leader-epoch-checkpoint": []byte("0\n3\n0 0\n1 40\n2 80\n")} {
		check(t, os.WriteFile(filepath.Join(folder, name), data, 0o644))
	}
}

// flip changes bits of one byte; edit changes a file at will.
func flip(at int, bits byte) func([]byte) []byte {
	return func(b []byte) []byte { b[at] ^= bits; return b }
}

// TestVerifyDamage breaks one thing at a time and wants it named with its place, and an exit other than 0.
func TestVerifyDamage(t *testing.T) {
	const log, second = "orders-0/00000000000000000000.log", "orders-0/00000000000000000050."
	for _, c := range []struct {
		name, file string
		edit       func([]byte) []byte
		want       string // with the place
	}{
		{"a bit of a record", log, flip(100, 1), "position 0: record batch fails its checksum"},
		{"a bit of a compressed record", second + "log", func(b []byte) []byte { b[len(b)-30] ^= 1; return b }, "record batch fails its checksum"},
		{"a base offset that rises too far", log, flip(6, 1), "base offset 10 does not follow 265"},
		{"a base offset that falls", second + "log", flip(7, 0x20), "position 0: base offset 18 does not follow 49"},
		{"a leader epoch that falls", second + "log", flip(15, 1), "position 0: leader epoch 0 falls from 1"},
		{"a cut", log, func(b []byte) []byte { return b[:len(b)-1] }, "record batch is cut short"},
		{"a length", log, flip(8, 0x80), "position 0: record batch declares an impossible length"},
		{"a magic byte", log, flip(16, 1), "position 0: record batch is not of format version 2: version 3"},
		{"a count under a right checksum", log, reseal(60, 11), "position 0: 11 records cannot lie within offsets 0..9"},
		{"fewer records than counted", log, reseal(60, 9), "position 0: records of the batch at offset 0: record is malformed"},
		{"a last offset that is not the last record's", log, reseal(26, 8), "position 0: the last record has offset 9, the header says 8"},
		{"a maximum time", log, reseal(42, 0), "position 0: the latest record is of 1009, the header says 768"},
		{"a control type", "__cluster_metadata-0/00000000000000000000.log", func(b []byte) []byte { return reseal(61+8, 99)(b) }, "control type 99"},
		{"an entry that points nowhere", second + "index", flip(15, 1), "position 8: no batch of the log begins at position"},
		{"an entry's offset", second + "index", flip(3, 1), "position 0: the entry says offset 58; the batch at position 0 ends at 59"},
		{"entries that fall", second + "index", flip(11, 0x10), "position 8: offset 53 does not follow 59"},
		{"half an entry", second + "index", func(b []byte) []byte { return b[:len(b)-3] }, "position 96: 5 bytes are no entry of 8"},
		{"a time", second + "timeindex", flip(7, 1), "position 0: the entry says time 1058; the batch with offset 59 has 1059"},
		{"a time entry's offset", second + "timeindex", flip(10, 1), "position 0: the log has no offset 315"},
		{"a time entry's offset within its batch", second + "timeindex", flip(11, 1), "position 0: the entry says offset 58, but the batch that holds it ends at 59"},
		{"a snapshot's bit", "orders-0/00000000000000000100.snapshot", flip(20, 1), "position 2: CRC is"},
		{"a snapshot cut", "orders-0/00000000000000000100.snapshot", func(b []byte) []byte { return b[:50] }, "position 6: 1 producers take 56 bytes, the file has 50"},
		{"an abort's offsets", second + "txnindex", flip(17, 0x40), "position 0: producer 9 aborts offsets 115..60"},
		{"epochs that fall", "orders-0/leader-epoch-checkpoint", flip(8, 2), "position 13: epoch 2 from offset 80 does not follow epoch 3 from 40"},
		{"a count of entries", "orders-0/leader-epoch-checkpoint", flip(2, 1), `position 2: "2" entries, but 3 lines follow`},
		{"no topic id", "orders-0/partition.metadata", func([]byte) []byte { return nil }, "position 0: want the two lines"},
		{"a version", "meta.properties", flip(10, 2), `version is "3"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := write(t)
			writeIndexes(t, filepath.Join(root, "orders-0"))
			path := filepath.Join(root, c.file)
			data, err := os.ReadFile(path)
			check(t, err)
			check(t, os.WriteFile(path, c.edit(data), 0o644))
			_, said, err := dump(flags{verify: true}, root)
			if err == nil || !strings.Contains(said, c.want) || !strings.Contains(said, path+": ") {
				t.Errorf("want %q, have %v\n%s", c.want, err, said)
			}
			out, _, err := dump(flags{verify: true, output: "json"}, root)
			if err == nil || !strings.Contains(out, `"kind":"problem"`) {
				t.Errorf("in JSON: %v\n%s", err, out)
			}
		})
	}
}

// reseal changes one byte of the first batch and makes its checksum right again.
func reseal(at int, to byte) func([]byte) []byte {
	return func(b []byte) []byte {
		b[at] = to
		size := 12 + int(binary.BigEndian.Uint32(b[8:]))
		binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:size], crc32.MakeTable(crc32.Castagnoli)))
		return b
	}
}

func TestUnreadableWithoutVerify(t *testing.T) {
	root := write(t)
	path := filepath.Join(root, "orders-0", "00000000000000000000.log")
	data, err := os.ReadFile(path)
	check(t, err)
	check(t, os.WriteFile(path, append(data, "garbage"...), 0o644))
	out, said, err := dump(flags{}, path)
	if err == nil || strings.Count(out, "\tbatch\t") != 5 || !strings.Contains(said, fmt.Sprintf("position %d: record batch is cut short", len(data))) {
		t.Errorf("%v\n%s\n%s", err, said, out)
	}
	check(t, os.WriteFile(path, append(data, make([]byte, 100)...), 0o644))
	if out, said, err := dump(flags{}, path); err != nil || !strings.Contains(out, fmt.Sprintf("\tpadding\t%d\t100\n", len(data))) {
		t.Errorf("%v\n%s\n%s", err, said, out)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"-o", "yaml", "x.log"}, {"main.go"}} {
		cmd := Command()
		cmd.SetArgs(args)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		if len(args) == 1 {
			name := filepath.Join(t.TempDir(), args[0])
			check(t, os.WriteFile(name, nil, 0o644))
			cmd.SetArgs([]string{name})
		}
		var usage cli.UsageError
		if err := cmd.Execute(); !errors.As(err, &usage) {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// FuzzFiles: whatever the bytes are, a reader ends without a panic.
func FuzzFiles(f *testing.F) {
	var b record.Builder
	b.Reset(record.PlainSpec(0))
	b.Append(1, []byte("k"), []byte("v"), nil)
	batch, _ := b.Build(nil)
	f.Add(batch.Data)
	f.Add(append([]byte{0, 1, 0, 0, 0, 0, 0, 0, 0, 1}, make([]byte, 46)...))
	f.Add([]byte("0\n1\n0 0\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		root := t.TempDir()
		for _, ext := range []string{".log", ".index", ".timeindex", ".txnindex", ".snapshot", ".checkpoint"} {
			check(t, os.WriteFile(filepath.Join(root, "00000000000000000000"+ext), data, 0o644))
		}
		for _, name := range []string{"partition.metadata", "meta.properties", "quorum-state", "leader-epoch-checkpoint", "recovery-point-offset-checkpoint"} {
			check(t, os.WriteFile(filepath.Join(root, name), data, 0o644))
		}
		for _, fl := range []flags{{verify: true}, {records: true, output: "json"}, {records: true, metadata: true}} {
			_, _, _ = dump(fl, root) // errors are what most of it must give
		}
	})
}
