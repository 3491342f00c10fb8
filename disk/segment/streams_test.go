package segment

import (
	"strings"
	"testing"

	"odradek/core"
	"odradek/sim/simdisk"
)

// A stream that was made and whose folder is gone is damaged, not new; it can be deleted, and a new one of its name made.
func TestLostFolder(t *testing.T) {
	for _, lost := range []string{"folder", "metadata"} {
		disk := simdisk.New()
		d := openDir(disk.Mount())
		create := core.DiskOp{Kind: core.DiskCreate, Stream: sid("a"), Topic: "orders"}
		d.writeAll([]core.DiskOp{create, {Kind: core.DiskAppend, Stream: sid("a"), Batch: build(spec{n: 6, pid: 7})}})
		fs := disk.Mount()
		check(t, fs.Remove("orders-0/"+metadataFile))
		if lost == "folder" {
			check(t, fs.Rename("orders-0", "elsewhere"))
		}
		for range 2 {
			d = openDir(disk.Mount())
			all, err := recoverAll(d)
			check(t, err)
			if len(all) != 1 || !strings.Contains(all[0].Damage, "orders-0") {
				t.Fatalf("%s: %v", lost, all)
			}
		}
		d.writeAll([]core.DiskOp{create}) // whoever forgets what was said changes nothing
		second := core.DiskOp{Kind: core.DiskCreate, Stream: sid("b"), Topic: "orders"}
		d.writeAll([]core.DiskOp{second, {Kind: core.DiskDelete, Stream: sid("a"), All: true}, {Kind: core.DiskAppend, Stream: sid("b"), Batch: build(spec{n: 2, pid: 7})}})
		check(t, d.Err())
		d = openDir(disk.Mount())
		all, err := recoverAll(d)
		check(t, err)
		if len(all) != 1 || all[0].Damage != "" || all[0].LogEnd != 2 {
			t.Fatalf("%s: %s", lost, printOpened(all[0]))
		}
	}
}

// A folder whose partition.metadata names another topic than the list is damaged. Taken for what it says, it would be deleted as a stray of a topic that nobody knows.
func TestFolderOfAnotherTopic(t *testing.T) {
	disk := simdisk.New()
	d := openDir(disk.Mount())
	d.writeAll([]core.DiskOp{{Kind: core.DiskCreate, Stream: sid("a"), Topic: "orders"}, {Kind: core.DiskAppend, Stream: sid("a"), Batch: build(spec{n: 6, pid: 7})}})
	file, err := disk.Mount().Open("orders-0/" + metadataFile)
	check(t, err)
	_, err = file.WriteAt([][]byte{partitionMetadata(sid("b").Topic)}, 0)
	check(t, err)
	d = openDir(disk.Mount())
	all, err := recoverAll(d)
	check(t, err)
	if len(all) != 1 || !strings.Contains(all[0].Damage, "orders-0, or its partition.metadata") {
		t.Fatalf("%s", printOpened(all[0]))
	}
	if data, err := disk.Data("orders-0/" + logName(0)); err != nil || len(data) == 0 {
		t.Fatalf("the folder was touched: %v", err)
	}
}

func TestStreamsFile(t *testing.T) {
	good := string(appendStreamLine([]byte("odradek 1\n"), "+", sid("a"), "orders"))
	line := string(appendStreamLine(nil, "-", sid("b"), "pay"))
	for _, c := range []struct {
		text, want string
		lines      int
	}{
		{good, "", 1}, {good + line, "", 2}, {good + line[:20], "", 1}, {good + "\x00\x00\x00", "", 1},
		{good[:20] + "x" + good[21:] + line, "good ones follow", 0},
		{"odradek 2\n", "newer Odradek", 0}, {"", "does not begin", 0}, {"odradek one\n", "does not begin", 0},
	} {
		_, lines, _, err := ParseStreams([]byte(c.text))
		if c.want == "" && (err != nil || lines != c.lines) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q: %d lines, %v", c.text, lines, err)
		}
	}
}
