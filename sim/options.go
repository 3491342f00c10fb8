package sim

import (
	"fmt"
	"slices"
	"strings"

	"odradek/clientlib/proto"
	"odradek/core"
	"odradek/core/prng"
	"odradek/core/record"
	"odradek/sim/simnet"
)

// purpose tells the generators of one seed apart. Each part of a world draws from its own, so that removing one part does not change what the others draw.
// Invariant: numbers are never given a new meaning.
type purpose uint64

const (
	forKnobs    purpose = 1
	forNetwork  purpose = 2
	forImages   purpose = 3     // snapshots of the metadata
	forSession  purpose = 4     // fetch sessions
	forRetain   purpose = 5     // retention
	forTopUp    purpose = 6     // faults besides those that kinds draw
	forLongLife purpose = 7     // numbers near their end
	forCluster  purpose = 8     // the id of a cluster
	forPeers    purpose = 9     // options of several nodes
	forHeal     purpose = 10    // who stays broken when faults stop
	forFormat   purpose = 11    // what a cluster is formatted with
	forDirs     purpose = 12    // log directories of several nodes
	forSeal     purpose = 13    // when segments begin
	forFill     purpose = 14    // zeros that files grow by
	forAdmin    purpose = 0xb00 // + admin
	forClient   purpose = 0x100 // + client
	forNode     purpose = 0x200 // + node: delays of the host
	forDisk     purpose = 0x300 // + node: what a power loss keeps
	forIDs      purpose = 0x400 // + node: ids and seeds
	forTrims    purpose = 0xa00 // + client; of the options: of client 0xff
	forWhole    purpose = 0x800 // + client: how its machine is set
	forReads    purpose = 0x900 // + client: what it does as a reader
	forAlters   purpose = 0x600 // + client; of the options: of client 0xff
	forFault    purpose = 0x500 // + faultKind
	forFaults   purpose = 0x700 // + faultKind: whether and how often
)

func source(seed uint64, p purpose) prng.Source { return prng.FromNumber(seed, uint64(p)) }

// Options are what a seed draws before anything happens.
type Options struct {
	Seed     uint64
	Profile  Profile
	Node     []core.KeyValue // configuration of every node
	Nodes    []NodeOptions
	Topics   []TopicOptions
	Clients  []ClientOptions
	Admins   []AdminOptions
	Network  simnet.Weather
	Disk     Delays // of file operations
	Core     Delays // of events on their way to the core
	Downtime Time   // longest time between the end of a process and the next
	Safety   Time   // faults happen until then
	Faults   [faultKinds]Time
	Dirs     int // log directories
	Index    Indexing
	Retains  bool  // topics lose what is old or too much
	Deletes  bool  // they do, or lose what a client has deleted
	Eligible bool  // eligible.leader.replicas.version is 1, as in every new cluster; else it is formatted without
	SyncAll  int   // a round of more steps is one SyncAll
	Seal     int64 // a segment begins before what is before it is durable if more than so many bytes of that are not; 0: never here
	Fill     int64 // files of busy durable logs grow by up to so many zeros at a time
	Life     LongLife
}

// Indexing is how segments are indexed where a topic does not say otherwise.
type Indexing struct{ Bytes, Interval int32 }

// Delays are drawn between Least and Usual, and with a chance of Slow in a million up to Most.
type Delays struct {
	Least, Usual, Most Time
	Slow               int
}

func (d *Delays) draw(rng *prng.Source) Time {
	if rng.Chance(d.Slow) {
		return d.Usual + Time(rng.N(uint64(d.Most-d.Usual+1)))
	}
	return d.Least + Time(rng.N(uint64(d.Usual-d.Least+1)))
}

// calm makes network and disk healthy, as they must be where progress is demanded: a client whose patience is shorter than the disk is slow may try for ever.
func (o *Options) calm() {
	o.calmNetwork()
	o.calmDisk()
}

func (o *Options) calmNetwork() {
	n := &o.Network
	n.Slow, n.Usual = 0, min(n.Usual, int64(Millisecond))
}

func (o *Options) calmDisk() {
	for _, d := range []*Delays{&o.Disk, &o.Core} {
		d.Slow, d.Usual = 0, min(d.Usual, Millisecond)
	}
}

// TopicOptions are one topic's.
type TopicOptions struct {
	Name          string
	Partitions    int32
	FlushMessages int64 // 1: durable
	FlushMs       int64 // flush.ms; 0: not set
	SegmentBytes  int32
	AppendTime    bool
	Compression   string
	Replicas      int  // of each partition; 0: one
	MinInsync     int  // min.insync.replicas; 0: not set
	Inherits      bool // flush.messages is not set for the topic: the node's default has the same value
}

// Durable reports whether an acknowledged record of the topic survives a power loss.
func (t *TopicOptions) Durable() bool { return t.FlushMessages == 1 }

// ClientOptions are one client's.
type ClientOptions struct {
	Topic         int
	Idempotent    bool
	Acks          int16
	InFlight      int
	Codec         record.CodecID
	BatchMax      int
	Batches       int
	Timeout       Time  // after which the client drops the connection
	TimeoutMs     int32 // what it gives the broker
	Versions      Versions
	MinBytes      int32
	MaxBytes      int32
	MaxWaitMs     int32
	Churn         int  // topics made and deleted besides
	Alters        int  // changes of the topic's configs and partitions
	Trims         int  // deletions of the topic's first records, and looks at where it begins
	Sessions      bool // it reads in fetch sessions
	Reset         proto.Reset
	Linger        Time
	BatchSize     int
	BufferMemory  int64
	FirstSequence int32
}

// Versions are the highest that a client sends requests in.
type Versions struct{ Produce, Fetch, ListOffsets, Metadata int16 }

// pick returns one of list.
func pick[T any](rng *prng.Source, list ...T) T { return list[rng.IntN(len(list))] }

// drawSeal draws when a segment begins before what is before it is durable: always where anything is not, by size, or never.
func drawSeal(seed uint64) int64 {
	rng := source(seed, forSeal)
	return pick[int64](&rng, 1, 1, 400, 0)
}

// between draws from lo to hi, both included.
func between(rng *prng.Source, lo, hi int) int { return lo + rng.IntN(hi-lo+1) }

// Draw returns the options of a seed.
func Draw(seed uint64, p Profile) Options {
	switch p.Name {
	case Quorum:
		return drawQuorum(seed, p)
	case Cluster:
		return drawCluster(seed, p)
	}
	rng := source(seed, forKnobs)
	o := Options{Seed: seed, Profile: p}
	flush := pick[int64](&rng, 1, 1, 1, 5, 1<<40)
	o.Index = Indexing{Bytes: pick[int32](&rng, 1000, 1000, 100), Interval: pick[int32](&rng, 300, 300, 1)} // small, so that indexes get full
	o.Node = []core.KeyValue{{Key: "auto.create.topics.enable", Value: "false"}, {Key: "log.flush.interval.messages", Value: fmt.Sprint(flush)},
		{Key: "fetch.max.bytes", Value: pick(&rng, "1024", "57671680")},
		{Key: "log.index.size.max.bytes", Value: fmt.Sprint(o.Index.Bytes)}, {Key: "log.index.interval.bytes", Value: fmt.Sprint(o.Index.Interval)}}
	for i := range between(&rng, 1, 2) {
		t := drawTopic(&rng, i)
		if t.Inherits {
			t.FlushMessages = flush
		}
		o.Topics = append(o.Topics, t)
	}
	for i := range p.clients() {
		c := drawClient(&rng, i%len(o.Topics), p)
		if i > 0 {
			c.Churn = 0 // one client does: the name is its own
		}
		o.Clients = append(o.Clients, c)
	}
	drawDelays(&rng, &o)
	o.Safety = p.safety(&rng)
	o.Nodes = []NodeOptions{{Voter: true, Broker: true, SkewMs: int64(between(&rng, -30_000, 30_000))}}
	o.Node = append(o.Node, drawSnapshots(seed)...)
	o.Node = append(o.Node, drawSessions(seed, o.Clients)...)
	drawFaults(&o)
	o.Node = append(o.Node, core.KeyValue{Key: "log.flush.offset.checkpoint.interval.ms", Value: pick(&rng, "60000", "1000", "100")},
		core.KeyValue{Key: "replica.high.watermark.checkpoint.interval.ms", Value: pick(&rng, "5000", "1000", "100")})
	o.Dirs = pick(&rng, 1, 1, 2)
	o.SyncAll, o.Seal, o.Fill = pick(&rng, 16, 1, 3), drawSeal(seed), drawFill(seed)
	drawAlters(&o)
	drawMachines(&o)
	drawRetention(&o)
	drawTrims(&o)
	drawLongLife(&o)
	return o
}

// drawRetention has one seed of three delete what is old or too much. Where a client makes topics and trims them nothing else may.
func drawRetention(o *Options) {
	rng := source(o.Seed, forRetain)
	ms, size := pick(&rng, "-1", "5000", "15000"), pick(&rng, "-1", "1000", "5000")
	every := pick(&rng, "200", "1000", "5000")
	if rng.IntN(3) > 0 || slices.ContainsFunc(o.Clients, func(c ClientOptions) bool { return c.Churn > 0 }) {
		return
	}
	o.Retains = true
	o.Node = append(o.Node, core.KeyValue{Key: "log.retention.ms", Value: ms}, core.KeyValue{Key: "log.retention.bytes", Value: size},
		core.KeyValue{Key: "log.retention.check.interval.ms", Value: every})
}

// kindsLeast is how many kinds of faults a seed has at least: with fewer, too little happens.
const kindsLeast = 6

// drawFaults draws which kinds of faults there are and how often each strikes. Each kind draws for itself, so that one more or less shifts no other.
func drawFaults(o *Options) {
	on := 0
	for round := 0; on < kindsLeast; round++ {
		for k := range o.Faults {
			kinds := source(o.Seed, forFaults+purpose(k))
			chance, mean := kinds.IntN(100), o.Safety/pick[Time](&kinds, 3, 6, 12)
			if o.Faults[k] == 0 && faultKind(k).strikes(o) && chance < faultTable[k].percent+20*round && !(round > 0 && faultKind(k).isLast()) {
				o.Faults[k] = mean * o.Profile.rare()
				on++
			}
		}
	}
}

// drawDelays draws how fast network, disk and host are.
func drawDelays(rng *prng.Source, o *Options) {
	usual := int64(pick(rng, 200*Microsecond, Millisecond, 20*Millisecond))
	o.Network = simnet.Weather{Least: int64(50 * Microsecond), Usual: usual, Most: 30 * usual, Slow: pick(rng, 0, 10_000, 100_000), Cut: pick(rng, 0, 50_000, 300_000)}
	disk := pick(rng, 100*Microsecond, 2*Millisecond, 20*Millisecond)
	o.Disk = Delays{Least: 10 * Microsecond, Usual: disk, Most: 20 * disk, Slow: pick(rng, 0, 20_000, 100_000)}
	way := pick(rng, Microsecond, 50*Microsecond, 3*Millisecond)
	o.Core = Delays{Least: 0, Usual: way, Most: 30 * way, Slow: pick(rng, 0, 30_000)}
	o.Downtime = pick(rng, 20*Millisecond, 300*Millisecond, 2*Second)
}

// drawAlters has one seed of three change the configs of one topic while it runs. One client does, and its topic is its own.
func drawAlters(o *Options) {
	rng := source(o.Seed, forAlters+0xff)
	if n := between(&rng, 2, 40); rng.IntN(3) == 0 {
		o.Clients[rng.IntN(len(o.Clients))].Alters = n
	}
}

// drawMachines draws how the clients' machines are set.
func drawMachines(o *Options) {
	for i := range o.Clients {
		c := &o.Clients[i]
		rng := source(o.Seed, forWhole+purpose(i))
		c.Linger = pick(&rng, 0, 5*Millisecond, 100*Millisecond)
		c.BatchSize = pick(&rng, 1, 500, 16384)
		c.BufferMemory = pick[int64](&rng, 1000, 5000, 1<<20) // 1000: it is full now and then
		c.Reset = pick(&rng, proto.ResetEarliest, proto.ResetEarliest, proto.ResetLatest, proto.ResetNone)
		if old := int16(between(&rng, 4, 9)); rng.IntN(3) == 0 && !o.meetsZstd(c.Topic) {
			c.Versions.Fetch = old
		}
		c.Versions.ListOffsets = pick(&rng, 8, 8, int16(between(&rng, 1, 8)))
		c.Versions.Metadata = pick(&rng, 12, 12, int16(between(&rng, 0, 12)))
	}
}

// meetsZstd reports whether a topic may hold batches of a codec that old versions of Fetch cannot carry (KIP-110).
func (o *Options) meetsZstd(topic int) bool {
	return o.Topics[topic].Compression == "zstd" || slices.ContainsFunc(o.Clients, func(c ClientOptions) bool {
		return c.Topic == topic && (c.Codec == record.CodecZstd || c.Alters > 0)
	})
}

// drawSnapshots has two seeds of three write snapshots of the metadata every few records, and most of these clean its log.
func drawSnapshots(seed uint64) []core.KeyValue {
	rng := source(seed, forImages)
	if rng.IntN(3) == 0 {
		return nil
	}
	return []core.KeyValue{
		{Key: "metadata.log.max.record.bytes.between.snapshots", Value: pick(&rng, "1", "300", "1000", "3000")},
		{Key: "metadata.log.max.snapshot.interval.ms", Value: pick(&rng, "0", "20", "500")},
		{Key: "metadata.log.segment.bytes", Value: pick(&rng, "256", "700", "3000")},
		{Key: "metadata.max.retention.bytes", Value: pick(&rng, "1", "2000", "5000", "-1")},
		{Key: "metadata.max.retention.ms", Value: pick(&rng, "-1", "-1", "200")},
	}
}

// drawSessions has half of the seeds read in fetch sessions, some of them where there is room for few.
func drawSessions(seed uint64, clients []ClientOptions) []core.KeyValue {
	rng := source(seed, forSession)
	if rng.IntN(2) == 0 {
		return nil
	}
	for i := range clients {
		clients[i].Sessions = true
	}
	slots := pick(&rng, "1000", "1000", "1")
	if few := pick(&rng, "1", "2", "4", "6"); slots == "1" {
		slots = few
	}
	return []core.KeyValue{{Key: "max.incremental.fetch.session.cache.slots", Value: slots}}
}

// drawFill draws a step for files: as in production, which logs of this size hardly come to, or one that they do.
func drawFill(seed uint64) int64 {
	rng := source(seed, forFill)
	return pick[int64](&rng, 256<<10, 1000, 2000, 6000)
}

func drawTopic(rng *prng.Source, i int) TopicOptions {
	t := TopicOptions{Name: fmt.Sprintf("t%d", i), Partitions: int32(between(rng, 1, 3)), FlushMessages: 1}
	if rng.IntN(3) == 0 {
		t.FlushMessages = pick[int64](rng, 5, 1000, 1<<40)
	}
	if !t.Durable() && rng.IntN(2) == 0 {
		t.FlushMs = int64(1 + rng.IntN(100))
	}
	t.SegmentBytes = int32(between(rng, 300, 2000))
	if rng.IntN(4) == 0 {
		t.SegmentBytes = 1 << 20
	}
	t.AppendTime = rng.IntN(4) == 0
	t.Inherits = rng.IntN(4) == 0
	t.Compression = pick(rng, "producer", "producer", "producer", "uncompressed", "lz4", "zstd")
	return t
}

func drawClient(rng *prng.Source, topic int, p Profile) ClientOptions {
	c := ClientOptions{Topic: topic, Idempotent: rng.IntN(3) > 0, Acks: -1, InFlight: between(rng, 1, 5)}
	if !c.Idempotent {
		c.Acks = pick[int16](rng, -1, -1, 1, 1, 0)
	}
	c.Codec = pick(rng, record.CodecNone, record.CodecNone, record.CodecGzip, record.CodecSnappy, record.CodecLZ4, record.CodecZstd)
	c.BatchMax = between(rng, 1, 5)
	c.Batches = p.batches(rng)
	c.Timeout = pick(rng, 400*Millisecond, 2*Second, 5*Second)
	c.TimeoutMs = pick[int32](rng, 50, 1000, 3000)
	c.Versions.Produce = int16(between(rng, 7, 11))
	if c.Codec != record.CodecZstd {
		c.Versions.Produce = int16(between(rng, 3, 11))
	}
	c.Versions.Fetch = int16(between(rng, 10, 18)) // what zstd needs
	c.MinBytes = p.minBytes(rng)
	c.MaxBytes = pick[int32](rng, 1, 100, 700, 1<<20)
	c.MaxWaitMs = p.waitMs(rng)
	if churn := between(rng, 4, 30); topic == 0 && rng.IntN(4) == 0 {
		c.Churn = churn
	}
	return c
}

// Lines returns the options as text, one line for each part.
func (o *Options) Lines() []string {
	out := []string{fmt.Sprintf("seed=%d profile=%s rate=%s safety=%s downtime<=%s directories=%d", o.Seed, o.Profile.Name, o.Profile.Rate, o.Safety, o.Downtime, o.Dirs)}
	for i := range o.Nodes {
		out = append(out, fmt.Sprintf("n%d %s", i, o.Nodes[i].line()))
	}
	for _, kv := range o.Node {
		out = append(out, "node "+kv.Key+"="+kv.Value)
	}
	out = append(out, fmt.Sprintf("life metadata-end=%d epoch=%d next-producer=%d first-sequence=%d", o.Life.MetadataEnd, o.Life.Epoch, o.Life.NextProducer, o.Life.FirstSequence))
	if len(o.Nodes) > 1 && !o.Eligible {
		out = append(out, "formatted without eligible.leader.replicas.version")
	}
	for _, t := range o.Topics {
		out = append(out, fmt.Sprintf("topic %s partitions=%d flush.messages=%d inherited=%t flush.ms=%d segment.bytes=%d append-time=%t compression=%s replicas=%d min-insync=%d",
			t.Name, t.Partitions, t.FlushMessages, t.Inherits, t.FlushMs, t.SegmentBytes, t.AppendTime, t.Compression, max(t.Replicas, 1), t.MinInsync))
	}
	for i, c := range o.Clients {
		out = append(out, fmt.Sprintf("client c%d topic=%s idempotent=%t acks=%d in-flight=%d codec=%s batches=%d of<=%d timeout=%s timeout.ms=%d "+
			"produce=v%d fetch=v%d list-offsets=v%d metadata=v%d min=%d max=%d wait=%dms churn=%d alters=%d trims=%d sessions=%t reset=%v linger=%s batch.size=%d buffer=%d", i, o.Topics[c.Topic].Name, c.Idempotent, c.Acks, c.InFlight, c.Codec, c.Batches, c.BatchMax,
			c.Timeout, c.TimeoutMs, c.Versions.Produce, c.Versions.Fetch, c.Versions.ListOffsets, c.Versions.Metadata, c.MinBytes, c.MaxBytes, c.MaxWaitMs, c.Churn, c.Alters, c.Trims, c.Sessions,
			c.Reset, c.Linger, c.BatchSize, c.BufferMemory))
	}
	for i, a := range o.Admins {
		out = append(out, fmt.Sprintf("admin a%d requests=%d timeout.ms=%d patience=%s", i, a.Requests, a.TimeoutMs, a.Patience))
	}
	out = append(out, fmt.Sprintf("network delay=%s..%s..%s slow=%d cut=%d", Time(o.Network.Least), Time(o.Network.Usual), Time(o.Network.Most), o.Network.Slow, o.Network.Cut))
	out = append(out, fmt.Sprintf("disk delay=%s..%s..%s slow=%d sync-all>%d seal>%d fill=%d", o.Disk.Least, o.Disk.Usual, o.Disk.Most, o.Disk.Slow, o.SyncAll, o.Seal, o.Fill))
	out = append(out, fmt.Sprintf("core delay=%s..%s..%s slow=%d", o.Core.Least, o.Core.Usual, o.Core.Most, o.Core.Slow))
	var faults []string
	for k, mean := range o.Faults {
		if mean > 0 {
			faults = append(faults, fmt.Sprintf("%s/%s", faultTable[k].name, mean))
		}
	}
	return append(out, "faults "+strings.Join(faults, " "))
}

// String writes a time in its largest whole unit.
func (t Time) String() string {
	switch {
	case t%Second == 0:
		return fmt.Sprintf("%ds", t/Second)
	case t%Millisecond == 0:
		return fmt.Sprintf("%dms", t/Millisecond)
	case t%Microsecond == 0:
		return fmt.Sprintf("%dµs", t/Microsecond)
	}
	return fmt.Sprintf("%dns", int64(t))
}
