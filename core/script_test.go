package core

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/image"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/internal/golden"
)

// TestScripts runs the stories of testdata: after each command the events and effects it caused.
func TestScripts(t *testing.T) {
	golden.Run(t, "testdata/*.txt", func(t *testing.T, out *strings.Builder) func(string) {
		n := &testNode{t: t, held: map[string]bool{}, out: out, files: map[string][]byte{}}
		return func(line string) { n.command(strings.Fields(line)) }
	})
}

// testNode is a core with a disk that completes at once, unless a kind of completion is held.
type testNode struct {
	t       *testing.T
	core    *Core
	now     Now
	fx      Effects
	out     *strings.Builder
	held    map[string]bool             // "written", "durable"; "data": durable, of other streams than the metadata
	waiting []Event                     // held completions, in order
	ends    map[stream.ID]record.Offset // what was appended
	stores  map[Slot]string
	log     []byte // of the metadata stream
	logEnd  record.Offset
	bases   []record.Offset   // of the metadata stream's segments
	files   map[string][]byte // snapshots of the metadata and the bootstrap file, by slot
	state   []byte            // quorum-state
	epochs  []stream.EpochStart
	corr    int32
	topics  map[string]record.UUID
	session int32 // that a fetch was answered last
	watch   func(*Effects)
	self    Loopback
	boots   int
}

type fields map[string]string

func (f fields) num(name string, otherwise int64) int64 {
	if s, ok := f[name]; ok {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			panic(err)
		}
		return n
	}
	return otherwise
}

func (n *testNode) command(words []string) {
	f := fields{}
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		f[name] = value
	}
	n.now.Mono += Instant(f.num("after-ms", 1)) * 1_000_000
	n.now.Wall += UnixMillis(f.num("after-ms", 1))
	switch words[0] {
	case "boot":
		n.boot(f)
	case "create":
		n.create(f)
	case "delete":
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.Version, req.TopicNames, req.TimeoutMillis = 5, []string{f["topic"]}, 1000
		n.request(f, api.DeleteTopics, 5, func(r *Request) { r.Body = req })
	case "deleterecords":
		req := kmsg.NewPtrDeleteRecordsRequest()
		topic := kmsg.NewDeleteRecordsRequestTopic()
		partition := kmsg.NewDeleteRecordsRequestTopicPartition()
		topic.Topic, partition.Offset = f["topic"], f.num("offset", -1)
		topic.Partitions, req.TimeoutMillis = append(topic.Partitions, partition), 1000
		req.Topics = append(req.Topics, topic)
		n.request(f, api.DeleteRecords, 2, func(r *Request) { r.Body = req })
	case "init":
		req := kmsg.NewPtrInitProducerIDRequest()
		n.request(f, api.InitProducerID, 4, func(r *Request) { r.Body = req })
	case "metadata":
		req := kmsg.NewPtrMetadataRequest()
		topic := kmsg.NewMetadataRequestTopic()
		name := f["topic"]
		topic.Topic, req.AllowAutoTopicCreation = &name, true
		req.Topics = append(req.Topics, topic)
		n.request(f, api.Metadata, 12, func(r *Request) { r.Body = req })
	case "produce":
		n.produce(f)
	case "fetch":
		n.fetch(f)
	case "hold":
		n.held[words[1]] = true
	case "release":
		delete(n.held, words[1])
		waiting := n.waiting
		n.waiting = nil
		for i := range waiting {
			n.complete(waiting[i])
		}
	case "fail":
		n.step(Event{Kind: EvIOFailed, Dir: stream.DirID(f.num("dir", 0)), Stream: stream.Metadata, Reason: "fdatasync: input/output error"})
	case "space":
		n.step(Event{Kind: EvSpace, Dir: 0, Free: f.num("free", 0)})
	case "closed":
		n.step(Event{Kind: EvConnClosed, Conn: ConnID(f.num("conn", 1))})
	case "opened":
		n.opened(f)
	case "stop":
		n.step(Event{Kind: EvStop})
	case "timeout":
		n.step(Event{Kind: EvTimeout})
	case "located":
		n.located(f)
	case "damage":
		names := slices.Sorted(maps.Keys(n.files))
		n.files[names[len(names)-1]][f.num("at", 0)] ^= 1
	case "format":
		n.files[BootstrapName] = bootstrapFile(n.t)
	default:
		n.admin(words, f)
	}
}

func (n *testNode) boot(f fields) {
	n.topics = map[string]record.UUID{}
	if n.core != nil {
		for t := range n.core.meta.committed.Topics() {
			n.topics[t.Name] = t.ID
		}
	}
	n.core, n.waiting, n.ends, n.stores = New(), nil, map[stream.ID]record.Offset{}, map[Slot]string{}
	config := []KeyValue{{"listeners", "PLAINTEXT://h:9092"}}
	for _, key := range []string{"log.flush.interval.messages", "log.segment.bytes", "num.partitions", "log.retention.check.interval.ms", "max.incremental.fetch.session.cache.slots",
		"log.flush.offset.checkpoint.interval.ms", "replica.high.watermark.checkpoint.interval.ms",
		"metadata.log.max.record.bytes.between.snapshots", "metadata.log.max.snapshot.interval.ms", "metadata.log.segment.bytes", "metadata.max.retention.bytes"} {
		if v, ok := f[key]; ok {
			config = append(config, KeyValue{key, v})
		}
	}
	var dirs []Dir
	for i := range f.num("dirs", 1) {
		dirs = append(dirs, Dir{ID: record.UUID{15: byte(200 + i)}, Free: 1 << 30})
	}
	meta := Opened{Exists: n.state != nil, Topic: stream.MetadataName, LogEnd: n.logEnd, Durable: n.logEnd, Epochs: n.epochs}
	meta.Segments = n.segments()
	if len(n.bases) > 0 {
		meta.LogStart = n.bases[0]
	}
	n.boots++
	boot := &Boot{ClusterID: "c", NodeID: 1, Incarnation: record.UUID{1, 15: byte(n.boots)}, Config: config,
		Dirs: dirs, Streams: int(f.num("streams", 0)), QuorumState: n.state, Metadata: meta}
	for _, name := range slices.Sorted(maps.Keys(n.files)) {
		s := Snapshot{Bytes: int64(len(n.files[name]))}
		if _, err := fmt.Sscanf(name, SnapshotFolder+"/%020d-%010d", &s.End, &s.Epoch); err == nil {
			boot.Snapshots = append(boot.Snapshots, s)
		}
	}
	_, boot.Bootstrap = n.files[BootstrapName]
	n.step(Event{Kind: EvBoot, Boot: boot})
}

// segments are those of the metadata stream.
func (n *testNode) segments() []stream.Segment {
	list := make([]stream.Segment, len(n.bases))
	for i := range n.bases {
		list[i].Base = n.bases[i]
	}
	for it := record.Batches(n.log); it.Next(); {
		for i := range list {
			if it.Batch.BaseOffset >= list[i].Base && (i+1 == len(list) || it.Batch.BaseOffset < list[i+1].Base) {
				list[i].Size += stream.Pos(it.Batch.Size)
			}
		}
	}
	return list
}

// bootstrapFile is what kafka-storage format leaves.
func bootstrapFile(t *testing.T) (file []byte) {
	var b record.Builder
	var next record.Offset
	batch := func(attributes record.Attributes, key, value []byte) {
		spec := record.PlainSpec(attributes)
		spec.BaseOffset, spec.LeaderEpoch = next, 0
		b.Reset(spec)
		b.Append(1, key, value, nil)
		built, err := b.Build(nil)
		if err != nil {
			t.Fatal(err)
		}
		file, next = append(file, built.Data...), next+1
	}
	control := func(c image.Control) {
		value, _ := image.AppendControl(nil, c)
		batch(record.AttrControl, record.AppendControlKey(nil, c.ControlType()), value)
	}
	control(&image.SnapshotHeader{})
	for _, r := range []image.Record{&image.FeatureLevelRecord{Name: image.MetadataVersion, Level: 25}, &image.FeatureLevelRecord{Name: "eligible.leader.replicas.version", Level: 1}} {
		value, _ := image.AppendRecord(nil, r, 0)
		batch(0, nil, value)
	}
	control(&image.SnapshotFooter{})
	return file
}

// opened tells of a stream that recovery found, one of a topic of the last boot. lost=5-9 are the offsets 5 to 8.
func (n *testNode) opened(f fields) {
	o := &Opened{Dir: stream.DirID(f.num("dir", 0)), Topic: f["topic"], LogStart: record.Offset(f.num("start", 0)), LogEnd: record.Offset(f.num("end", 0)), HighWatermark: record.Offset(f.num("hw", 0)),
		RecoveryPoint: record.Offset(f.num("point", 0)), Damage: f["damage"]}
	o.Durable = record.Offset(f.num("durable", int64(o.LogStart)))
	if o.LogEnd > 0 {
		o.Segments = []stream.Segment{{Base: record.Offset(f.num("base", 0)), Size: 1000}}
	}
	if from, to, ok := strings.Cut(f["lost"], "-"); ok {
		r := fields{"from": from, "to": to}
		o.Lost = []OffsetRange{{From: record.Offset(r.num("from", 0)), To: record.Offset(r.num("to", 0)), Why: "crc"}}
	}
	id := stream.ID{Topic: n.topics[f["topic"]], Partition: int32(f.num("partition", 0))}
	n.ends[id] = o.LogEnd
	n.step(Event{Kind: EvOpened, Stream: id, Opened: o})
}

func (n *testNode) create(f fields) {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version, req.TimeoutMillis = 7, 1000
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = f["topic"], int32(f.num("partitions", 1)), 1
	for _, key := range []string{"flush.messages", "flush.ms", "segment.bytes", "retention.bytes", "retention.ms",
		"index.interval.bytes", "segment.index.bytes", "segment.jitter.ms"} {
		if v, ok := f[key]; ok {
			topic.Configs = append(topic.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: key, Value: &v})
		}
	}
	req.Topics = append(req.Topics, topic)
	n.request(f, api.CreateTopics, 7, func(r *Request) { r.Body = req })
}

func (n *testNode) request(f fields, key api.Key, version int16, fill func(*Request)) {
	n.corr++
	r := &Request{Conn: ConnID(f.num("conn", 1)), Correlation: n.corr, Key: key, Version: version, Address: "h:9092"}
	fill(r)
	n.step(Event{Kind: EvRequest, Request: r})
}

// step prints an event and its effects, carries the effects out, and goes on with what completes at once.
func (n *testNode) step(ev Event) {
	n.fx.Reset()
	n.out.WriteString("> " + string(ev.Append(nil)) + "\n")
	n.core.Step(n.now, &ev, &n.fx)
	if n.watch != nil {
		n.watch(&n.fx)
	}
	for line := range strings.Lines(string(n.fx.Append(nil))) {
		n.out.WriteString(line)
	}
	for i := range n.fx.Replies {
		if r := n.fx.Replies[i].Fetch; r != nil && r.SessionID != 0 {
			n.session = r.SessionID
		}
	}
	disk := append([]DiskOp(nil), n.fx.Disk...)
	stores := append([]Store(nil), n.fx.Stores...)
	jobs := append([]Job(nil), n.fx.Jobs...)
	calls, replies := append([]Call(nil), n.fx.Calls...), append([]Reply(nil), n.fx.Replies...)
	for i := range disk {
		n.disk(&disk[i])
	}
	for i := range stores {
		if stores[i].Slot == QuorumStateSlot {
			n.state = stores[i].Bytes
		}
		if s := stores[i]; s.Remove {
			delete(n.files, s.Slot.Name)
		} else if strings.HasSuffix(s.Slot.Name, ".checkpoint") {
			n.files[s.Slot.Name] = slices.Clone(s.Bytes)
		}
		n.stores[stores[i].Slot] = string(stores[i].Bytes)
		n.complete(Event{Kind: EvStored, Slot: stores[i].Slot, Version: stores[i].Version})
	}
	for _, j := range jobs {
		if j.Slot.Name != "" {
			n.complete(Event{Kind: EvLoaded, Job: j.ID, Loaded: &Loaded{Bytes: n.files[j.Slot.Name][j.Pos:]}})
		} else if j.Kind == JobLoad {
			n.complete(Event{Kind: EvLoaded, Job: j.ID, Loaded: &Loaded{Bytes: n.from(j.From)}})
		}
	}
	for i := range calls {
		n.step(n.self.Request(&calls[i]))
	}
	for i := range replies {
		if replies[i].Conn == LoopbackConn {
			n.step(n.self.Answer(&replies[i]))
		}
	}
	if at, ok := n.core.Deadline(); ok && at <= n.now.Mono && (ev.Kind != EvTimeout || n.core.buildingSnapshot()) {
		n.step(Event{Kind: EvTimeout})
	}
}

func (n *testNode) from(offset record.Offset) []byte {
	rest := n.log
	for it := record.Batches(n.log); it.Next(); {
		if it.Batch.NextOffset() > offset {
			return rest
		}
		rest = rest[it.Batch.Size:]
	}
	return nil
}

func (n *testNode) disk(op *DiskOp) {
	end := record.Offset(0)
	switch op.Kind {
	case DiskAppend:
		end = op.Batch.NextOffset()
		n.ends[op.Stream] = end
		if op.Stream == stream.Metadata {
			op.Batch.Stamp()
			n.log = append(n.log, op.Batch.Data...)
			n.logEnd = end
			if k := len(n.epochs); k == 0 || n.epochs[k-1].Epoch < op.Batch.LeaderEpoch {
				n.epochs = append(n.epochs, stream.EpochStart{Epoch: op.Batch.LeaderEpoch, Start: op.Batch.BaseOffset})
			}
		}
		n.complete(Event{Kind: EvWritten, Stream: op.Stream, Generation: op.Generation, UpTo: end})
		if op.Sync {
			n.complete(Event{Kind: EvDurable, Stream: op.Stream, Generation: op.Generation, UpTo: end})
		}
	case DiskRoll:
		if op.Stream == stream.Metadata {
			n.bases = append(n.bases, op.Base)
		}
	case DiskDelete:
		for op.Stream == stream.Metadata && len(n.bases) > 1 && n.bases[1] <= op.To {
			n.bases = n.bases[1:]
			n.log = n.from(n.bases[0])
		}
	case DiskSync, DiskCheckpoint:
		end = n.ends[op.Stream]
		if op.Stream == stream.Metadata {
			end = n.logEnd
		}
		n.complete(Event{Kind: EvDurable, Stream: op.Stream, Generation: op.Generation, UpTo: end})
		if op.Kind == DiskCheckpoint {
			n.complete(Event{Kind: EvCheckpointed, Stream: op.Stream, Generation: op.Generation, UpTo: end})
		}
	}
}

func (n *testNode) complete(ev Event) {
	if n.held["stored"] && ev.Kind == EvStored || n.held["written"] && ev.Kind == EvWritten || n.held["durable"] && ev.Kind == EvDurable || n.held["data"] && ev.Kind == EvDurable && ev.Stream != stream.Metadata ||
		n.held["checkpointed"] && ev.Kind == EvCheckpointed {
		n.waiting = append(n.waiting, ev)
		return
	}
	n.step(ev)
}

func (n *testNode) produce(f fields) {
	var b record.Builder
	spec := record.PlainSpec(0)
	if _, ok := f["pid"]; ok {
		spec.ProducerID, spec.ProducerEpoch = record.ProducerID(f.num("pid", 0)), int16(f.num("epoch", 0))
		spec.BaseSequence = int32(f.num("seq", 0))
	}
	b.Reset(spec)
	for i := range f.num("n", 1) {
		b.Append(1000, nil, []byte(fmt.Sprint(f["value"], i)), nil)
	}
	batch, err := b.Build(nil)
	if err != nil {
		n.t.Fatal(err)
	}
	batch.Data = append([]byte(nil), batch.Data...)
	n.request(f, api.Produce, 9, func(r *Request) {
		r.Produce = &api.ProduceRequest{Acks: int16(f.num("acks", -1)), TimeoutMs: int32(f.num("timeout", 1000)),
			Partitions: []api.ProducePartition{{Topic: f["topic"], Partition: int32(f.num("partition", 0)), Batch: batch}}}
	})
}

// fetch asks for partition= of topic=, or with topics=a:0@5,b:1@7 for several by name, partition and offset; forget=a:0 takes some out of the session.
func (n *testNode) fetch(f fields) {
	req := &api.FetchRequest{ReplicaID: record.NodeID(f.num("replica", -1)), MaxWaitMs: int32(f.num("wait", 500)), MinBytes: int32(f.num("min", 1)),
		MaxBytes: int32(f.num("max", 1<<20)), SessionID: n.sessionOf(f), SessionEpoch: int32(f.num("epoch-of-session", -1))}
	if topic, ok := f["topic"]; ok {
		req.Partitions = append(req.Partitions, api.FetchPartition{Topic: topic, Partition: int32(f.num("partition", 0)),
			CurrentEpoch: record.Epoch(f.num("epoch", -1)), Offset: record.Offset(f.num("offset", 0)), MaxBytes: 1 << 20})
	}
	for _, p := range strings.FieldsFunc(f["topics"], func(r rune) bool { return r == ',' }) {
		name, place, _ := strings.Cut(p, ":")
		index, offset, _ := strings.Cut(place, "@")
		at := fields{"partition": index, "offset": offset}
		req.Partitions = append(req.Partitions, api.FetchPartition{Topic: name, Partition: int32(at.num("partition", 0)), CurrentEpoch: record.NoEpoch,
			Offset: record.Offset(at.num("offset", 0)), MaxBytes: 1 << 20})
	}
	for _, p := range strings.FieldsFunc(f["forget"], func(r rune) bool { return r == ',' }) {
		name, index, _ := strings.Cut(p, ":")
		req.Forgotten = append(req.Forgotten, api.FetchForgotten{Topic: name, Partition: int32(fields{"p": index}.num("p", 0))})
	}
	n.request(f, api.Fetch, 12, func(r *Request) { r.Fetch = req })
}

// sessionOf is the id that session= names: a number, or "last" for the one answered last.
func (n *testNode) sessionOf(f fields) int32 {
	if f["session"] == "last" {
		return n.session
	}
	return int32(f.num("session", 0))
}

// located answers the last Locate with one extent.
func (n *testNode) located(f fields) {
	x := stream.Extent{Base: record.Offset(f.num("base", 0)), Pos: stream.Pos(f.num("pos", 0)), Len: int32(f.num("len", 100))}
	n.step(Event{Kind: EvLocated, Job: JobID(f.num("job", 0)), Located: &Located{Partitions: []LocatedPartition{{Extents: []stream.Extent{x}}}}})
}
