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
