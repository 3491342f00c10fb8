package sim

import (
	"fmt"
	"strings"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
)

// checkWork: a start reads no more of a log than it must. Below its recovery point segments are known by their indexes, and the rest of it by its epochs and its
// snapshot; from there on every batch is read, of the segment that the point lies in perhaps all (decision 4). Where the log or a file of it has rotted, or something had
// to be cut, more may be read; and after a power loss, which may take the files that belong to the point while they are replaced.
func (n *node) checkWork(id stream.ID, o *core.Opened, w *watched) {
	if w.hurt() || n.spoiledIn(n.folderOf(id, o)) || w.pointed != n.powers || o.Cut > 0 || len(o.Lost) > 0 || n.spoiled[n.p.where[id].root+core.RecoveryPointCheckpoint] {
		return
	}
	point, must := n.pointOf(id, o.Topic), int64(0)
	for i := range o.Segments {
		if i+1 == len(o.Segments) || o.Segments[i+1].Base > point {
			must += int64(o.Segments[i].Size)
		}
	}
	if o.Scanned > must {
		n.broken("work", w, "the start reads %d bytes of batches; behind its recovery point %d there are no more than %d", o.Scanned, point, must)
	}
}

// spoiledIn reports whether rot has hit a file of a folder.
func (n *node) spoiledIn(folder string) bool {
	for path := range n.spoiled { // any order: a disjunction
		if strings.HasPrefix(path, folder) {
			return true
		}
	}
	return false
}

// pointOf is the recovery point that a partition's directory has stored.
func (n *node) pointOf(id stream.ID, topic string) record.Offset {
	return n.p.where[id].entries(core.RecoveryPointCheckpoint)[fmt.Sprintf("%s %d", topic, id.Partition)]
}
