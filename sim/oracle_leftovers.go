package sim

import (
	"encoding/binary"
	"fmt"
	"strings"

	"odradek/core"
	"odradek/core/record"
	"odradek/disk/segment"
)

// checkLeftovers: what a removal left unfinished is gone when a start is done with a directory.
func (d *logDir) checkLeftovers() {
	names, _ := d.n.disk.Names(strings.TrimSuffix(d.root, "/"))
	for _, name := range names {
		if strings.HasSuffix(name, "-delete") {
			d.n.w.fail(Correctness, "leftover", fmt.Sprintf("folder %s%s is still there after a start", d.root, name))
		}
	}
}

// checkTimes compares a time index with the batches of its segment: each entry names the last offset of a batch that has its timestamp, and both rise. Behind the entries
// there may be zeros.
func (n *node) checkTimes(path string, base record.Offset, times map[record.Offset]record.UnixMillis, w *watched) {
	data, err := n.disk.Data(path)
	if err != nil || n.spoiled[path] {
		return
	}
	lastTS, lastRel := record.UnixMillis(record.NoTimestamp), int64(-1)
	for ; len(data) >= 12; data = data[12:] {
		ts, rel := record.UnixMillis(binary.BigEndian.Uint64(data)), int64(binary.BigEndian.Uint32(data[8:]))
		if ts == 0 && rel == 0 {
			return
		}
		if of, ok := times[base+record.Offset(rel)]; !ok || of != ts || ts <= lastTS || rel <= lastRel {
			n.broken("R12", w, "%s: an entry says that the batch up to offset %d has timestamp %d; there is one: %t, and its is %d; before it were %d and %d", path,
				base+record.Offset(rel), ts, ok, of, lastTS, lastRel)
			return
		}
		lastTS, lastRel = ts, rel
	}
}

// dropCleanMark has a directory give up the mark of a clean stop, and compares what it says with the disk.
func (n *node) dropCleanMark(dir *segment.Dir) (clean bool, epoch int64, err error) {
	mark := n.rootOf(int(dir.ID())) + core.CleanMark
	_, lacks := n.disk.Data(mark)
	if clean, epoch, err = dir.DropCleanMark(); err != nil {
		return clean, epoch, err
	}
	if _, gone := n.disk.Data(mark); clean != (lacks == nil) || gone == nil {
		n.w.fail(Correctness, "stop", fmt.Sprintf("%s was there: %t; the start says %t, and it is gone: %t", mark, lacks == nil, clean, gone != nil))
	}
	return clean, epoch, nil
}

// checkPassedOver: an error of a write or fsync of the directory's is never passed over, it is given up.
func (d *logDir) checkPassedOver() {
	n := d.n
	if n.injected != "" && strings.HasPrefix(n.injected, d.root) && d.dir.Err() == nil && !n.cut {
		n.w.fail(Correctness, "passed over", fmt.Sprintf("an operation on %s failed, and its directory goes on", n.injected))
	}
	if strings.HasPrefix(n.injected, d.root) {
		n.injected = ""
	}
}
