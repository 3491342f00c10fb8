package segment

import (
	"strings"

	"odradek/core"
	"odradek/core/record"
)

// A segment may begin before what is before it is durable: syncing a gigabyte takes most of a second, and no append shall wait for that. Its file then has another
// name, <base>.log.next, and a round takes in what is before it. When that has ended, the file gets the name of a segment:
//
//	Roll → <base>.log.next ─ BeginSync: all but this file → EndSync: rename → <base>.log ─ next round: the name
//
// Invariant: a file named .log exists only if everything before it is durable (decision 2), and nothing in a file named .log.next is said to be durable: a round
// that begins while there is one promises what is before it only. So recovery takes such a file for a part of the log if what is before it goes up to it, and
// else removes it, and no promise is broken. One log has one such file at a time.

// nextSuffix ends the name of a segment's file that does not have its own name yet.
const nextSuffix = logSuffix + ".next"

func nextName(base record.Offset) string {
	return logName(base) + strings.TrimPrefix(nextSuffix, logSuffix)
}

func parseNext(name string) (record.Offset, bool) {
	digits, is := strings.CutSuffix(name, nextSuffix)
	if !is {
		return 0, false
	}
	return parseLog(digits + logSuffix)
}

// sealsLater decides whether a roll leaves it to a round to make durable what was written so far. With little to write, doing it at once costs one round less.
func (d *Dir) sealsLater(l *Log, base record.Offset) bool {
	return l.beside > d.options.SealAbove && base == l.next
}

// sealed gives the segment that grows its name: everything before it is durable. The name is not, so a round that someone asked for meanwhile has to be followed
// by another one.
func (d *Dir) sealed(l *Log, asked bool) error {
	base := l.last().base
	if err := d.fs.Rename(l.path(base), l.folder+"/"+logName(base)); err != nil {
		return err
	}
	l.unsealed, l.names = false, true
	if asked {
		d.wantSync(l)
	}
	return nil
}

// waitsForSeal reports whether an operation cannot be carried out before the log's last segment has its name.
func (l *Log) waitsForSeal(op *core.DiskOp) bool {
	switch op.Kind {
	case core.DiskTruncate, core.DiskRoll, core.DiskCheckpoint:
		return l.unsealed
	case core.DiskDelete:
		return l.unsealed && !op.All
	}
	return false
}

// takeNext takes in the segments that had begun before what is before them was durable, if it all is there; else it removes them, durably: a log that grows to
// such a base again must not meet what it held before. It returns the names of the folder's files as they are then.
func (r *recovery) takeNext(names []string) ([]string, error) {
	l, fs := r.log, r.dir.fs
	var kept []string
	gone, torn := false, r.cut > 0
	for _, name := range names { // sorted, so by base
		base, is := parseNext(name)
		if !is {
			kept = append(kept, name)
			continue
		}
		path := l.folder + "/" + name
		if torn = torn || len(l.segs) == 0 || l.next != base || l.last().base == base; torn {
			gone = true
			if err := fs.Remove(path); err != nil {
				return nil, err
			}
			continue
		}
		if err := l.last().file.SyncData(); err != nil {
			return nil, err
		}
		if err := fs.SyncDir(l.folder); err != nil { // what is before it may have got its name just now
			return nil, err
		}
		if err := fs.Rename(path, l.path(base)); err != nil {
			return nil, err
		}
		kept = append(kept, logName(base))
		l.names = true
		if err := r.segment(base, record.NoOffset); err != nil {
			return nil, err
		}
		torn = r.cut > 0
	}
	if gone {
		return kept, fs.SyncDir(l.folder)
	}
	return kept, nil
}
