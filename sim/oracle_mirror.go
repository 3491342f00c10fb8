package sim

import (
	"bytes"
	"fmt"
	"strings"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
)

// checkMirror: when the disk has carried out all that was asked of a stream, its files are what the core believes them to be, in size and number. When some
// are deleted none is left that lies wholly below the log start. Those that a start finds there go when retention looks for them.
func (d *logDir) checkMirror(ops []core.DiskOp) {
	n := d.n
	if n.w.cfg.BlackBox || d.lost || d.dir.Err() != nil {
		return
	}
	for i := range ops {
		id := ops[i].Stream
		o := n.watch(id)
		if o == nil || o.hurt() || o.cutting == n.life || asksOf(ops[i+1:], id) || asksOf(d.queue, id) {
			continue
		}
		s, here := n.p.core.Look(id)
		view, there := d.dir.View(id)
		if !here || !there || s.Failed {
			continue
		}
		folder := fmt.Sprintf("%s%s-%d", d.root, s.Topic, id.Partition) // also of a topic that was deleted while the node stops
		names, _ := n.disk.Names(folder)
		var size int64
		var bases []record.Offset
		var last []byte
		for _, path := range writtenFiles(folder, names) {
			last, _ = n.disk.Data(path)
			size += int64(len(last))
			bases = append(bases, baseOf(path))
		}
		switch {
		case view.Next() != s.LogEnd:
			n.broken("mirror", o, "the files end at %d, the log at %d", view.Next(), s.LogEnd)
		case size != s.Bytes && !n.filled(last, size-s.Bytes, id):
			n.broken("mirror", o, "the files at %v have %d bytes, the log %d", bases, size, s.Bytes)
		case ops[i].Kind == core.DiskDelete && len(bases) > 1 && bases[1] <= s.LogStart:
			n.broken("mirror", o, "the log begins at %d, and there are segments at %v", s.LogStart, bases)
		}
	}
}

// filled reports whether a log's last file may have so many bytes behind its batches: zeros, of which a durable log's is given a step at a time.
func (n *node) filled(file []byte, more int64, id stream.ID) bool {
	ok := id != stream.Metadata && more > 0 && more <= min(n.w.opt.Fill, int64(len(file))/4) && len(bytes.Trim(file[int64(len(file))-more:], "\x00")) == 0
	if ok {
		n.w.reach(markFilled)
	}
	return ok
}

// lookForZeros notes that recovery is about to meet a step of zeros.
func (d *logDir) lookForZeros(folder string) {
	names, _ := d.n.disk.Names(folder)
	for _, path := range logFiles(folder, names) {
		if data, _ := d.n.disk.Data(path); len(data)-len(bytes.TrimRight(data, "\x00")) > record.HeaderSize {
			d.n.w.reach(markFilledAtStart)
		}
	}
}

func asksOf(ops []core.DiskOp, id stream.ID) bool {
	for i := range ops {
		if ops[i].Stream == id {
			return true
		}
	}
	return false
}

// baseOf is the base offset in the name of a segment's file.
func baseOf(path string) (base record.Offset) {
	for _, digit := range strings.TrimSuffix(strings.TrimSuffix(path[strings.LastIndexByte(path, '/')+1:], ".next"), ".log") {
		base = base*10 + record.Offset(digit-'0')
	}
	return base
}
