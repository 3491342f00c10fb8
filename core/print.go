package core

import (
	"bytes"
	"strconv"

	"github.com/cespare/xxhash/v2"
	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/record"
	"odradek/core/stream"
)

// line builds one printed line: a word, then " name=value" for each field.
type line []byte

func (l *line) word(s string) { *l = append(*l, s...) }

func (l *line) text(name, value string) {
	l.name(name)
	*l = append(*l, value...)
}

func (l *line) num(name string, value int64) {
	l.name(name)
	*l = strconv.AppendInt(*l, value, 10)
}

func (l *line) stream(id stream.ID) {
	*l = append(*l, ' ')
	*l = id.Append(*l)
}

func (l *line) name(name string) {
	*l = append(*l, ' ')
	*l = append(*l, name...)
	*l = append(*l, '=')
}

// sum prints bytes by length and hash: lines stay short and still differ when the bytes do.
func (l *line) sum(name string, b []byte) {
	l.name(name)
	*l = strconv.AppendInt(*l, int64(len(b)), 10)
	*l = append(*l, ':')
	*l = strconv.AppendUint(*l, xxhash.Sum64(b), 16)
}

// Append writes ev as one stable line without newline. Two events are equal when their lines are.
func (ev *Event) Append(dst []byte) []byte {
	l := line(dst)
	switch ev.Kind {
	case EvBoot:
		ev.Boot.print(&l)
	case EvOpened:
		l.word("Opened")
		l.stream(ev.Stream)
		ev.Opened.print(&l)
	case EvRequest:
		ev.Request.print(&l)
	case EvWritten, EvDurable:
		if ev.Kind == EvWritten {
			l.word("Written")
		} else {
			l.word("Durable")
		}
		l.stream(ev.Stream)
		l.num("gen", int64(ev.Generation))
		l.num("upto", int64(ev.UpTo))
	case EvStored:
		l.word("Stored")
		ev.Slot.print(&l)
		l.num("version", int64(ev.Version))
	case EvLocated:
		l.word("Located")
		l.num("job", int64(ev.Job))
		for i := range ev.Located.Partitions {
			ev.Located.Partitions[i].print(&l)
		}
	case EvLoaded:
		l.word("Loaded")
		l.num("job", int64(ev.Job))
		l.text("err", ev.Loaded.Err.String())
		l.sum("bytes", ev.Loaded.Bytes)
	case EvSpace:
		l.word("Space")
		l.num("dir", int64(ev.Dir))
		l.num("free", ev.Free)
	case EvIOFailed:
		l.word("IOFailed")
		l.stream(ev.Stream)
		l.num("dir", int64(ev.Dir))
		l.text("reason", strconv.Quote(ev.Reason))
	case EvConnClosed:
		l.word("ConnClosed")
		l.num("conn", int64(ev.Conn))
	case EvCheckpointed:
		l.word("Checkpointed")
		l.stream(ev.Stream)
		l.num("gen", int64(ev.Generation))
		l.num("upto", int64(ev.UpTo))
	case EvTimeout:
		l.word("Timeout")
	case EvStop:
		l.word("Stop")
	default:
		l.word("Event")
		l.num("kind", int64(ev.Kind))
	}
	return l
}

func (b *Boot) print(l *line) {
	l.word("Boot")
	l.num("node", int64(b.NodeID))
	l.text("cluster", b.ClusterID)
	l.text("incarnation", b.Incarnation.String())
	l.sum("seed", b.Seed[:])
	l.num("streams", int64(b.Streams))
	for _, kv := range b.Config {
		l.text(kv.Key, strconv.Quote(kv.Value))
	}
	for i := range b.Dirs {
		l.text("dir", b.Dirs[i].ID.String())
		l.num("free", b.Dirs[i].Free)
		if b.Dirs[i].Total > 0 {
			l.num("total", b.Dirs[i].Total)
		}
		if b.Dirs[i].Clean {
			l.word(" clean")
		}
	}
	for _, path := range b.Absent {
		l.text("absent", strconv.Quote(path))
	}
	l.text("quorum", strconv.Quote(string(b.QuorumState)))
	b.Metadata.print(l)
	for _, s := range b.Snapshots {
		l.text("snapshot", s.name())
		l.num("bytes", s.Bytes)
		l.num("last", int64(s.Last))
	}
	if b.Bootstrap {
		l.word(" bootstrap")
	}
}

func (o *Opened) print(l *line) {
	l.num("dir", int64(o.Dir))
	l.text("topic", o.Topic)
	l.num("start", int64(o.LogStart))
	l.num("end", int64(o.LogEnd))
	l.num("durable", int64(o.Durable))
	l.num("hw", int64(o.HighWatermark))
	for _, s := range o.Segments {
		l.num("segment", int64(s.Base))
		l.word("+")
		*l = strconv.AppendInt(*l, int64(s.Size), 10)
	}
	(&LogState{o.Producers, o.Epochs}).print(l)
	if o.Cut > 0 {
		l.num("cut", o.Cut)
	}
	if o.RecoveryPoint > 0 {
		l.num("recoverypoint", int64(o.RecoveryPoint))
	}
	for _, r := range o.Lost {
		l.num("lost", int64(r.From))
		l.num("to", int64(r.To))
		if r.Gap {
			l.word(" gap")
		}
	}
	if o.Damage != "" {
		l.text("damage", strconv.Quote(o.Damage))
	}
}

func (s *LogState) print(l *line) {
	if s == nil {
		return
	}
	for _, e := range s.Epochs {
		l.num("epoch", int64(e.Epoch))
		l.word("@")
		*l = strconv.AppendInt(*l, int64(e.Start), 10)
	}
	for i := range s.Producers {
		p := &s.Producers[i]
		l.num("pid", int64(p.ID))
		l.word("/")
		*l = strconv.AppendInt(*l, int64(p.Epoch), 10)
		for _, b := range p.Batches[:p.Count] {
			l.num("seq", int64(b.FirstSequence))
			l.num("at", int64(b.BaseOffset))
		}
	}
}

func (p *LocatedPartition) print(l *line) {
	l.text("err", p.Err.String())
	for _, x := range p.Extents {
		l.name("extent")
		*l = x.Append(*l)
	}
	if p.Offset != 0 || p.Timestamp != 0 {
		l.num("offset", int64(p.Offset))
		l.num("timestamp", int64(p.Timestamp))
		l.num("epoch", int64(p.Epoch))
	}
}

func (s Slot) print(l *line) {
	l.num("dir", int64(s.Dir))
	l.text("slot", s.Name)
}

func (r *Request) print(l *line) {
	l.word("Request")
	l.num("conn", int64(r.Conn))
	l.num("corr", int64(r.Correlation))
	*l = append(*l, ' ')
	l.word(r.Key.String())
	l.num("v", int64(r.Version))
	l.text("client", strconv.Quote(r.ClientID))
	l.text("address", r.Address)
	switch {
	case r.Produce != nil:
		l.num("acks", int64(r.Produce.Acks))
		l.num("timeout", int64(r.Produce.TimeoutMs))
		if r.Produce.TransactionalID != "" {
			l.text("txn", strconv.Quote(r.Produce.TransactionalID))
		}
		for i := range r.Produce.Partitions {
			p := &r.Produce.Partitions[i]
			*l = append(*l, ' ')
			l.word(p.Topic)
			*l = append(*l, '-')
			*l = strconv.AppendInt(*l, int64(p.Partition), 10)
			if p.Err != 0 {
				l.word("!" + p.Err.String())
				continue
			}
			*l = p.Batch.Append(*l)
		}
	case r.Fetch != nil:
		r.printFetch(l)
	case r.Body != nil:
		l.sum("body", r.Body.AppendTo(nil))
	}
}

func (r *Request) printFetch(l *line) {
	f := r.Fetch
	l.num("wait", int64(f.MaxWaitMs))
	l.num("min", int64(f.MinBytes))
	l.num("max", int64(f.MaxBytes))
	l.num("isolation", int64(f.Isolation))
	l.num("session", int64(f.SessionID))
	l.word("/")
	*l = strconv.AppendInt(*l, int64(f.SessionEpoch), 10)
	for i := range f.Partitions {
		p := &f.Partitions[i]
		*l = append(*l, ' ')
		if p.Topic != "" {
			l.word(p.Topic)
		} else {
			l.word(p.TopicID.String())
		}
		*l = append(*l, '-')
		*l = strconv.AppendInt(*l, int64(p.Partition), 10)
		*l = append(*l, '@')
		*l = strconv.AppendInt(*l, int64(p.Offset), 10)
		l.word("<")
		*l = strconv.AppendInt(*l, int64(p.MaxBytes), 10)
		if p.CurrentEpoch != record.NoEpoch {
			l.num("e", int64(p.CurrentEpoch))
		}
	}
	for i := range f.Forgotten {
		p := &f.Forgotten[i]
		l.word(" forgets")
		if p.Topic != "" {
			printResult(l, p.Topic, p.Partition)
		} else {
			printResult(l, p.TopicID.String(), p.Partition)
		}
	}
}

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
		l.num("to", int64(op.To))
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
