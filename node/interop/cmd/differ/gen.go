package main

import (
	"fmt"
	"math/rand/v2"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// op is one request of the sequence, in common names.
type op struct {
	kind    string // as counted
	req     kmsg.Request
	note    string // for a person: what is special
	known   *knowledge
	spoil   func(frame []byte) []byte // what is done to its bytes at last
	fenced  bool                      // it may have no answer
	changes bool                      // of the metadata: the next request waits until Kafka has carried it out
	then    func(resp kmsg.Response)  // what the generator learns from Kafka's answer
}

// versions are those of an API that both brokers serve.
type versions struct{ low, high int16 }

// generator makes the sequence. What it knows of the brokers' state comes from Kafka's answers, so that a seed makes the same sequence in each run.
type generator struct {
	*rand.Rand
	served    map[int16]versions
	now       int64 // ms: of the run's start
	topics    []*topic
	dead      []*topic
	created   int
	known     *knowledge
	producers []*producer
	sessions  []*session
}

type topic struct {
	name      string
	life      int
	parts     []*partition
	stampedBy bool // the broker's clock
	maxBytes  int
	configs   map[string]string
}

type partition struct {
	start, end int64
	times      []int64
}

type producer struct {
	id    int64
	epoch int16
	next  map[*partition]int32
	last  map[*partition][]byte // the last batch taken
}

func newGenerator(seed uint64, served map[int16]versions, now int64) *generator {
	return &generator{Rand: rand.New(rand.NewPCG(seed, 0x0d7ade)), served: served, now: now, known: newKnowledge()}
}

// kind is a sort of request and how often it is made.
type kind struct {
	name   string
	weight int
	make   func(*generator) *op
}

var kinds = []kind{
	{"Produce", 300, (*generator).produce},
	{"Fetch", 180, (*generator).fetch},
	{"Fetch in a session", 120, (*generator).fetchSession},
	{"ListOffsets", 80, (*generator).listOffsets},
	{"Metadata", 60, (*generator).metadata},
	{"CreateTopics", 60, (*generator).createTopics},
	{"DeleteTopics", 20, (*generator).deleteTopics},
	{"CreatePartitions", 20, (*generator).createPartitions},
	{"DeleteRecords", 40, (*generator).deleteRecords},
	{"DescribeConfigs", 30, (*generator).describeConfigs},
	{"IncrementalAlterConfigs", 35, (*generator).incrementalAlterConfigs},
	{"AlterConfigs", 20, (*generator).alterConfigs},
	{"DescribeTopicPartitions", 25, (*generator).describeTopicPartitions},
	{"DescribeLogDirs", 10, (*generator).describeLogDirs},
	{"OffsetForLeaderEpoch", 30, (*generator).offsetForLeaderEpoch},
	{"DescribeProducers", 25, (*generator).describeProducers},
	{"ElectLeaders", 10, (*generator).electLeaders},
	{"ListPartitionReassignments", 10, (*generator).listReassignments},
	{"DescribeCluster", 10, (*generator).describeCluster},
	{"FindCoordinator", 10, (*generator).findCoordinator},
	{"InitProducerId", 35, (*generator).initProducerID},
	{"ApiVersions", 15, (*generator).apiVersions},
	{"ListConfigResources", 10, (*generator).listConfigResources},
}

// next makes one request. The first ones create what the others need.
func (g *generator) next(i int) *op {
	if i < 6 {
		return g.named("CreateTopics", g.createTopic)
	}
	if i < 9 {
		return g.named("InitProducerId", g.initProducerID)
	}
	if g.chance(40) {
		return g.named("spoiled frame", g.spoiled)
	}
	total := 0
	for _, k := range kinds {
		total += k.weight
	}
	n := g.IntN(total)
	for _, k := range kinds {
		if n -= k.weight; n < 0 {
			return g.named(k.name, func() *op { return k.make(g) })
		}
	}
	panic("the weights do not add up")
}

func (g *generator) named(kind string, make func() *op) *op {
	o := make()
	o.known = g.known
	if o.kind == "" {
		o.kind = kind
	}
	return o
}

// version draws a version that both brokers serve, the highest more often.
func (g *generator) version(req kmsg.Request) {
	v, ok := g.served[req.Key()]
	if !ok {
		panic(fmt.Sprintf("key %d is not served by both", req.Key()))
	}
	req.SetVersion(v.low + int16(g.IntN(int(v.high-v.low)+1)))
	if g.chance(4) {
		req.SetVersion(v.high)
	}
}

// chance is true once in n.
func (g *generator) chance(n int) bool { return g.IntN(n) == 0 }

func pick[T any](g *generator, of ...T) T { return of[g.IntN(len(of))] }

// topic draws a topic that is there.
func (g *generator) topic() *topic {
	if len(g.topics) == 0 {
		return &topic{name: "never", life: 1, parts: []*partition{{}}}
	}
	return g.topics[g.IntN(len(g.topics))]
}

// neverLived is the life of topics that are not there: their ids are nobody's, also when the name comes to life.
const neverLived = 99

// topicMaybe draws a topic that is there, or now and then one that is not.
func (g *generator) topicMaybe() *topic {
	if g.chance(15) {
		if len(g.dead) > 0 && g.chance(2) {
			return g.dead[g.IntN(len(g.dead))]
		}
		return &topic{name: pick(g, "never", "never.made", "no such topic", "b/d", ""), life: neverLived, parts: []*partition{{}}}
	}
	return g.topic()
}

func (t *topic) id() [16]byte { return topicName(t.name, t.life) }

// part draws a partition of a topic, now and then one that is not there.
func (g *generator) part(t *topic) (int32, *partition) {
	if g.chance(25) {
		return pick(g, int32(len(t.parts)), -1, 1000, 1<<31-1), &partition{}
	}
	i := g.IntN(len(t.parts))
	return int32(i), t.parts[i]
}

// offset draws an offset of a partition: mostly one that is there, or next to a boundary.
func (g *generator) offset(p *partition) int64 {
	switch g.IntN(8) {
	case 0:
		return p.start
	case 1:
		return p.end
	case 2:
		return pick(g, p.start-1, p.end+1, -1, -2, 1<<40, 0, p.end-1)
	}
	return p.start + g.Int64N(max(p.end-p.start, 1))
}

func (g *generator) find(name string) *topic {
	for _, t := range g.topics {
		if t.name == name {
			return t
		}
	}
	return nil
}

// distinct returns up to n different topics of a source.
func distinct(n int, from func() *topic) []*topic {
	var out []*topic
	seen := map[string]bool{}
	for range n {
		if t := from(); !seen[t.name] {
			seen[t.name], out = true, append(out, t)
		}
	}
	return out
}

// someParts draws up to n different partitions.
func (g *generator) someParts(t *topic, n int) (numbers []int32, parts []*partition) {
	seen := map[int32]bool{}
	for range n {
		if i, p := g.part(t); !seen[i] {
			seen[i], numbers, parts = true, append(numbers, i), append(parts, p)
		}
	}
	return numbers, parts
}
