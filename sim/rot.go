package sim

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"odradek/core"
	"odradek/core/image"
	"odradek/disk/segment"
)

// Rot of what lies beside the logs. An index, the state of a log and most checkpoints can be made anew from the log or done without, and nobody must notice. The
// rest says whose a directory is and what was promised: damaged, it stops the start with a reason that names the file, and these runs end there.
//
// What Kafka's text files cannot tell from good text, for they have no CRC, is not drawn: see docs/FAULTS.md.

// spoils reports whether a kind of rot hits files of this name.
func (k faultKind) spoils(name string) bool {
	switch k {
	case indexRot:
		return strings.HasSuffix(name, ".index") || strings.HasSuffix(name, ".timeindex")
	case stateRot:
		return strings.HasSuffix(name, ".snapshot") || name == "leader-epoch-checkpoint"
	case checkpointRot:
		return name == core.RecoveryPointCheckpoint || name == core.HighWatermarkCheckpoint || name == core.CleanMark
	case identityRot:
		return slices.Contains([]string{"meta.properties", core.LogStartCheckpoint, "quorum-state", segment.StreamsFile, "partition.metadata"}, name)
	case imageRot:
		return strings.HasSuffix(name, ".checkpoint")
	}
	return false
}

// filesOf lists the files on the platter that a kind of rot can hit.
func (n *node) filesOf(k faultKind) (paths []string) {
	for i := range n.w.opt.Dirs {
		root := n.rootOf(i)
		names, _ := n.disk.DurableNames(strings.TrimSuffix(root, "/"))
		for _, name := range names {
			if k.spoils(name) {
				paths = append(paths, root+name)
			}
			inner, _ := n.disk.DurableNames(root + name)
			for _, file := range inner {
				if k.spoils(file) {
					paths = append(paths, root+name+"/"+file)
				}
			}
		}
	}
	return paths
}

// spoil has a file rot: at rest, or when the power fails next.
func (n *node) spoil(k faultKind, b *blow) bool {
	if b.small%3 == 0 {
		n.awaitsLoss = append(n.awaitsLoss, awaited{k, *b})
		return false
	}
	_, hit := n.spoilNow(k, b)
	return hit
}

// awaited is a blow that falls with the next power loss.
type awaited struct {
	kind faultKind
	blow blow
}

// spoilAtLoss has files rot with which the power failed.
func (n *node) spoilAtLoss() {
	for i := range n.awaitsLoss {
		a := &n.awaitsLoss[i]
		if _, hit := n.spoilNow(a.kind, &a.blow); hit {
			n.w.reach(markRotAtLoss)
			n.w.struck(a.kind, n.name)
		}
	}
	n.awaitsLoss = nil
}

// spoilNow turns a few bits of a file, or makes a sector's part of it zeros or anything.
func (n *node) spoilNow(k faultKind, b *blow) (file string, hit bool) {
	draw, at := b.rng.Uint64(), b.rng.Uint64()
	noise := prngBytes(b, sector)
	paths := n.filesOf(k)
	if len(paths) == 0 {
		return file, false
	}
	file = paths[draw%uint64(len(paths))]
	was, _ := n.disk.DurableData(file)
	if len(was) == 0 || n.grows(file) {
		return file, false
	}
	is := slices.Clone(was)
	if from := int(at % uint64(len(is))); b.half {
		for i := range 1 + b.small%3 {
			turn(is, (from+i*(b.small%7))%len(is), at>>(32+3*i)&7, strings.HasSuffix(file, "leader-epoch-checkpoint"))
		}
	} else {
		for i := from / sector * sector; i < min((from/sector+1)*sector, len(is)); i++ {
			if is[i] = noise[i%sector]; b.small%2 == 0 {
				is[i] = 0
			}
		}
	}
	if bytes.Equal(is, was) || !n.tells(file, was, is) || n.disk.Corrupt(file, 0, is) != nil {
		return file, false
	}
	n.spoiled[file] = true
	if path.Base(file) == core.CleanMark {
		n.endsUnclean() // for who reads it: a controller cannot tell that nothing was lost
	}
	n.w.note(n.name, "rotten: "+file)
	return file, true
}

// turn turns a bit of a byte; of a digit in a text one of those that mostly make another digit of it, so that the text can still be read.
func turn(p []byte, at int, bit uint64, text bool) {
	if text && p[at] >= '0' && p[at] <= '9' {
		bit %= 3
	}
	p[at] ^= 1 << bit
}

// grows reports whether a process has an index mapped that it adds to. Its pages are dirty: what the platter has of them is not read again.
func (n *node) grows(file string) bool {
	if n.p == nil || !indexRot.spoils(file) {
		return false
	}
	folder := path.Dir(file)
	names, _ := n.disk.DurableNames(folder)
	logs := writtenFiles(folder, names)
	return len(logs) == 0 || strings.TrimSuffix(strings.TrimSuffix(logs[len(logs)-1], ".next"), ".log") == strings.TrimSuffix(file, path.Ext(file))
}

// tells reports whether the format can tell what a file has become from what it was, or it does no harm.
func (n *node) tells(file string, was, is []byte) bool {
	switch path.Base(file) {
	case core.RecoveryPointCheckpoint, core.HighWatermarkCheckpoint:
		return saysNoMore(was, is)
	case core.LogStartCheckpoint:
		_, err := core.ParseCheckpoint(is)
		return err != nil
	case "meta.properties":
		before, _ := segment.ParseProperties(was)
		after, err := segment.ParseProperties(is)
		return err != nil || after == before || after.NodeID != before.NodeID || n.w.opt.Dirs > 1 && after.ClusterID != before.ClusterID
	case "quorum-state":
		before, _ := image.ParseQuorumState(was)
		after, err := image.ParseQuorumState(is)
		return err != nil || after.Epoch <= before.Epoch
	}
	return true
}

// saysNoMore reports whether a checkpoint cannot be read, or says of no partition more than it did: then more is read at a start, and no more.
func saysNoMore(was, is []byte) bool {
	before, _ := core.ParseCheckpoint(was)
	after, err := core.ParseCheckpoint(is)
	if err != nil {
		return true
	}
	for _, a := range after {
		if !slices.ContainsFunc(before, func(b core.CheckpointEntry) bool {
			return a.Topic == b.Topic && a.Partition == b.Partition && a.Offset <= b.Offset
		}) {
			return false
		}
	}
	return true
}
