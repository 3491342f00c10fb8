package core

import (
	"strconv"

	"github.com/cespare/xxhash/v2"

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

// upTo prints a completion that says how far a stream has come.
func (l *line) upTo(word string, ev *Event) {
	l.word(word)
	l.stream(ev.Stream)
	l.num("gen", int64(ev.Generation))
	l.num("upto", int64(ev.UpTo))
}

// Brief writes ev as Append does, but not what another node's answer holds: it may be a megabyte of records, and a history that nobody may ever read is not worth
// putting them together.
func (ev *Event) Brief(dst []byte) []byte {
	if ev.Kind != EvAnswered {
		return ev.Append(dst)
	}
	l := line(dst)
	ev.answered(&l)
	return l
}

// answered prints which call was answered.
func (ev *Event) answered(l *line) {
	l.word("Answered")
	l.num("call", int64(ev.Call))
	if ev.Answer != nil {
		l.text("key", api.Key(ev.Answer.Key()).String())
		l.num("v", int64(ev.Answer.GetVersion()))
	}
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
	case EvWritten:
		l.upTo("Written", ev)
	case EvDurable:
		l.upTo("Durable", ev)
	case EvCheckpointed:
		l.upTo("Checkpointed", ev)
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
	case EvTimeout:
		l.word("Timeout")
	case EvStop:
		l.word("Stop")
	case EvLeave:
		l.word("Leave")
	case EvAnswered:
		ev.answered(&l)
		if ev.Answer != nil {
			l.sum("body", ev.Answer.AppendTo(nil))
		}
	case EvTruncated:
		l.word("Truncated")
		l.stream(ev.Stream)
		l.num("gen", int64(ev.Generation))
		ev.Opened.print(&l)
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
			l.num("epoch", b.Dirs[i].Epoch)
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
