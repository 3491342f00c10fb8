package core

import (
	"bytes"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/stream"
)

// Append writes op as one stable line without newline.
func (op *DiskOp) Append(dst []byte) []byte {
	l := line(dst)
	l.word([...]string{"?", "Create", "Append", "Sync", "Truncate", "Roll", "Delete", "Checkpoint"}[op.Kind])
	l.stream(op.Stream)
	switch op.Kind {
	case DiskCreate:
		l.num("dir", int64(op.Dir))
		l.text("topic", op.Topic)
	case DiskAppend:
		l.num("gen", int64(op.Generation))
		l = append(l, ' ')
		l = op.Batch.Append(l)
		if op.Sync {
			l.word(" sync")
		}
	case DiskSync:
		l.num("gen", int64(op.Generation))
	case DiskTruncate:
		l.num("gen", int64(op.Generation))
		if op.All {
			l.num("begins", int64(op.Base))
		} else {
			l.num("to", int64(op.To))
		}
		for _, r := range op.Aside {
			l.num("aside", int64(r.From))
		}
	case DiskRoll:
		l.num("base", int64(op.Base))
		if op.Index != (stream.IndexLimits{}) && op.Index != stream.DefaultIndexLimits {
			l.num("interval", int64(op.Index.Interval))
			l.num("index", int64(op.Index.Bytes))
		}
		op.State.print(&l)
	case DiskCheckpoint:
		l.num("gen", int64(op.Generation))
		if op.Close {
			l.word(" close")
		}
		op.State.print(&l)
	case DiskDelete:
		if op.All {
			l.word(" all")
		} else {
			l.num("below", int64(op.To))
		}
	}
	return l
}

// Append writes fx as stable lines, each ended by a newline: publish, disk, stores, jobs, replies, notes, halts.
func (fx *Effects) Append(dst []byte) []byte {
	l := line(dst)
	if fx.Publish != nil {
		l.word("Publish")
		l.num("offset", int64(fx.Publish.Offset()))
		l.word("\n")
	}
	for i := range fx.Disk {
		l = append(fx.Disk[i].Append(l), '\n')
	}
	for i := range fx.Stores {
		s := &fx.Stores[i]
		l.word("Store")
		s.Slot.print(&l)
		l.num("version", int64(s.Version))
		switch {
		case s.Remove:
			l.word(" remove")
		case bytes.IndexByte(s.Bytes, 0) >= 0: // a snapshot of the metadata; all others are text
			l.sum("bytes", s.Bytes)
		default:
			l.text("bytes", strconv.Quote(string(s.Bytes)))
		}
		l.word("\n")
	}
	for i := range fx.Jobs {
		fx.Jobs[i].print(&l)
		l.word("\n")
	}
	for i := range fx.Replies {
		l = append(fx.Replies[i].Append(l), '\n')
	}
	for i := range fx.Calls {
		l = append(fx.Calls[i].Append(l), '\n')
	}
	for i := range fx.Notes {
		l.word("Note " + string(fx.Notes[i].Kind))
		for _, kv := range fx.Notes[i].Fields {
			l.text(kv.Key, strconv.Quote(kv.Value))
		}
		l.word("\n")
	}
	for i := range fx.Halts {
		h := &fx.Halts[i]
		l.word([...]string{"?", "Halt stream", "Halt dir", "Halt node"}[h.Scope])
		l.stream(h.Stream)
		l.num("dir", int64(h.Dir))
		l.text("reason", strconv.Quote(h.Reason))
		l.word("\n")
	}
	return l
}

func (j *Job) print(l *line) {
	if j.Kind == JobLoad {
		l.word("Load")
		l.num("job", int64(j.ID))
		if j.Slot.Name != "" {
			j.Slot.print(l)
			l.num("pos", j.Pos)
			return
		}
		l.stream(j.Stream)
		l.num("from", int64(j.From))
		return
	}
	l.word("Locate")
	l.num("job", int64(j.ID))
	l.num("budget", j.Budget)
	for i := range j.Locate {
		p := &j.Locate[i]
		l.stream(p.Stream)
		if p.ByTime {
			l.num("time", int64(p.Timestamp))
		} else {
			l.num("from", int64(p.From))
		}
		l.num("limit", int64(p.Limit))
		l.num("max", int64(p.MaxBytes))
	}
}

// Append writes r as one stable line without newline.
func (r *Reply) Append(dst []byte) []byte {
	l := line(dst)
	l.word("Reply")
	l.num("conn", int64(r.Conn))
	l.num("corr", int64(r.Correlation))
	l.word(" " + r.Key.String())
	if r.ThrottleMs > 0 {
		l.num("throttle", int64(r.ThrottleMs))
	}
	switch {
	case r.Produce != nil:
		for i := range r.Produce.Partitions {
			p := &r.Produce.Partitions[i]
			printResult(&l, p.Topic, p.Partition)
			if p.Err != 0 {
				l.word("!" + p.Err.String())
				continue
			}
			l = append(l, '@')
			l = strconv.AppendInt(l, int64(p.BaseOffset), 10)
		}
	case r.Fetch != nil:
		printFetchReply(&l, r.Fetch)
	case r.Body != nil:
		l.sum("body", bodyBytes(r.Body))
	}
	return l
}

// bodyBytes encodes a reply at its highest version, where every field shows.
func bodyBytes(body kmsg.Response) []byte {
	version := body.GetVersion()
	body.SetVersion(body.MaxVersion())
	b := body.AppendTo(nil)
	body.SetVersion(version)
	return b
}

func printResult(l *line, topic string, partition int32) {
	*l = append(*l, ' ')
	l.word(topic)
	*l = append(*l, '-')
	*l = strconv.AppendInt(*l, int64(partition), 10)
}

func printFetchReply(l *line, f *api.FetchResponse) {
	if f.Err != 0 {
		l.text("err", f.Err.String())
	}
	if f.SessionID != 0 {
		l.num("session", int64(f.SessionID))
	}
	for i := range f.Partitions {
		p := &f.Partitions[i]
		printResult(l, p.Topic, p.Partition)
		if p.Err != 0 {
			l.word("!" + p.Err.String())
			continue
		}
		l.num("hw", int64(p.HighWatermark))
		l.num("start", int64(p.LogStart))
		for _, x := range p.Extents {
			*l = append(*l, ' ')
			*l = x.Append(*l)
		}
	}
}

// Append writes c as one stable line without newline.
func (c *Call) Append(dst []byte) []byte {
	l := line(dst)
	l.word("Call ")
	l = strconv.AppendUint(l, uint64(c.ID), 10)
	l.num("node", int64(c.Node))
	l.text("addr", c.Addr)
	l.text("lane", c.Lane.String())
	l.text("key", api.Key(c.Body.Key()).String())
	l.num("v", int64(c.Body.GetVersion()))
	l.sum("body", c.Body.AppendTo(nil))
	return l
}
