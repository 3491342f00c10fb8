package sim

import (
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/config"
	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/prng"
)

// altering changes the configs of its client's topic while others produce and read, and adds partitions to it. Nobody else does, so it knows what must hold:
// what was answered is set until it is changed, over crashes too, and a topic never has fewer partitions than were answered. What a change does to
// acknowledgements the oracle of durability sees: it goes by flush.messages as it is published when one leaves.
type altering struct {
	c      *client
	line   *line
	rng    prng.Source
	left   int
	again  Time
	busy   bool
	asks   bool              // the next request reads back
	wants  map[string]string // what the request under way sets; "" deletes
	set    map[string]string // answered; a key that is not sure is not in it
	count  int32             // partitions that there are at least
	wanted int32             // of the request under way
	sure   bool              // count is exact
	// As in churning: a request whose answer was lost may still reach the core while the process lives that was to get it.
	asked, doubt uint32
}

func newAltering(c *client) *altering {
	return &altering{c: c, rng: source(c.w.opt.Seed, forAlters+purpose(c.id)), left: c.opt.Alters, set: map[string]string{}, count: c.topic.Partitions, sure: true}
}

func (a *altering) poll(now Time) kmsg.Request {
	a.asked = a.line.ch.life
	if a.busy || now < a.again || !a.c.known || a.left == 0 || a.c.w.phase != phaseSafety {
		return nil
	}
	a.busy, a.again = true, now+Time(a.rng.N(uint64(a.c.w.opt.Safety)/uint64(a.c.opt.Alters)))
	if a.asks {
		a.asks = false
		return a.describe()
	}
	a.left--
	a.asks = true
	if a.rng.IntN(6) == 0 {
		return a.grow()
	}
	return a.alter()
}

// draw returns a key and a value that the topic may get without breaking what the ledger goes by: nothing is deleted, and what is durable stays so.
func (a *altering) draw() (string, string) {
	rng := &a.rng
	keys := []string{"segment.bytes", "segment.index.bytes", "index.interval.bytes", "flush.ms", "retention.ms", "retention.bytes", "compression.type", "flush.messages"}
	switch key := pick(rng, keys...); key {
	case "segment.bytes":
		return key, strconv.Itoa(between(rng, 300, 3000))
	case "segment.index.bytes":
		return key, strconv.Itoa(between(rng, 24, 1000))
	case "index.interval.bytes":
		return key, strconv.Itoa(between(rng, 0, 900))
	case "flush.ms":
		return key, pick(rng, "1", "50", "1000", "")
	case "compression.type":
		return key, pick(rng, "producer", "uncompressed", "lz4", "zstd", "")
	case "flush.messages":
		if !a.c.topic.Durable() {
			return key, pick(rng, "1", "1", "3", "1000")
		}
		return key, "1"
	default:
		return key, pick(rng, "-1", "1000000000000000")
	}
}

func (a *altering) alter() kmsg.Request {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.SetVersion(1)
	of := kmsg.NewIncrementalAlterConfigsRequestResource()
	of.ResourceType, of.ResourceName = kmsg.ConfigResourceTypeTopic, a.c.topic.Name
	a.wants = map[string]string{}
	for range between(&a.rng, 1, 3) {
		key, value := a.draw()
		if _, twice := a.wants[key]; twice {
			continue
		}
		a.wants[key] = value
		c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		if c.Name, c.Value = key, &value; value == "" {
			c.Op, c.Value = kmsg.IncrementalAlterConfigOpDelete, nil
		}
		delete(a.set, key) // until it is answered
		of.Configs = append(of.Configs, c)
	}
	req.Resources = append(req.Resources, of)
	return req
}

func (a *altering) grow() kmsg.Request {
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.SetVersion(3)
	req.TimeoutMillis = a.c.opt.TimeoutMs
	a.wanted = a.count + int32(a.rng.IntN(2))
	req.Topics = append(req.Topics, kmsg.CreatePartitionsRequestTopic{Topic: a.c.topic.Name, Count: a.wanted})
	return req
}

func (a *altering) describe() kmsg.Request {
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.SetVersion(4)
	req.Resources = append(req.Resources, kmsg.DescribeConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: a.c.topic.Name})
	return req
}

func (a *altering) answered(_ kmsg.Request, resp kmsg.Response) {
	a.busy = false
	settled := a.line.ch.life > a.doubt
	switch r := resp.(type) {
	case *kmsg.IncrementalAlterConfigsResponse:
		switch code := errcode.Code(r.Resources[0].ErrorCode); code {
		case errcode.None:
			for key, value := range a.wants { // any order: they are different keys
				if settled {
					a.set[key] = value
				}
			}
		case errcode.RequestTimedOut, errcode.NotController: // it may yet commit, before whatever is asked next
		default:
			a.c.w.fail(Correctness, "configs", fmt.Sprintf("topic %s: %v is refused: %v", a.c.topic.Name, a.wants, code))
		}
	case *kmsg.CreatePartitionsResponse:
		a.grown(errcode.Code(r.Topics[0].ErrorCode), settled)
	case *kmsg.DescribeConfigsResponse:
		a.described(&r.Resources[0])
	}
}

func (a *altering) grown(code errcode.Code, settled bool) {
	more := a.wanted > a.count
	switch {
	case code == errcode.None && !more, code == errcode.InvalidPartitions && more && a.sure:
		a.c.w.fail(Correctness, "partitions", fmt.Sprintf("topic %s: %v to %d partitions, of which there are %d", a.c.topic.Name, code, a.wanted, a.count))
	case code == errcode.None:
		a.count, a.sure = a.wanted, settled
	case code == errcode.InvalidPartitions && more: // a request whose answer was lost did it
		a.count = a.wanted
	case code == errcode.InvalidPartitions:
	case code == errcode.RequestTimedOut, code == errcode.NotController:
		a.sure = false
	default:
		a.c.w.fail(Correctness, "partitions", fmt.Sprintf("topic %s: %v", a.c.topic.Name, code))
	}
}

// configTypes are the types of some configs, as Kafka describes them.
var configTypes = map[string]kmsg.ConfigType{
	"segment.bytes": kmsg.ConfigTypeInt, "segment.index.bytes": kmsg.ConfigTypeInt, "flush.ms": kmsg.ConfigTypeLong, "retention.bytes": kmsg.ConfigTypeLong,
	"compression.type": kmsg.ConfigTypeString, "cleanup.policy": kmsg.ConfigTypeList, "preallocate": kmsg.ConfigTypeBoolean, "min.cleanable.dirty.ratio": kmsg.ConfigTypeDouble,
}

// described compares what is told with what was answered.
func (a *altering) described(r *kmsg.DescribeConfigsResponseResource) {
	if r.ErrorCode != 0 {
		a.c.w.fail(Correctness, "configs", fmt.Sprintf("topic %s is not described: %v", a.c.topic.Name, errcode.Code(r.ErrorCode)))
		return
	}
	for _, c := range r.Configs {
		if want, ok := configTypes[c.Name]; ok && c.ConfigType != want {
			a.c.w.fail(Correctness, "configs", fmt.Sprintf("topic %s: %s is described as of type %v, and is %v", a.c.topic.Name, c.Name, c.ConfigType, want))
		}
		want, known := a.set[c.Name]
		if own := c.Source == kmsg.ConfigSourceDynamicTopicConfig; known && (own != (want != "") || own && *c.Value != want) {
			a.c.w.fail(Correctness, "configs", fmt.Sprintf("topic %s: %s was set to %q and is %q", a.c.topic.Name, c.Name, want, *c.Value))
			return
		}
	}
}

func (a *altering) lost() {
	if a.busy {
		a.doubt, a.sure = a.asked, false
		clear(a.set) // it may have come to pass, and may yet
	}
	a.busy = false
}

func (a *altering) deadline(now Time) (Time, bool) { return a.again, a.again > now && a.left > 0 }

func (a *altering) unfinished() string { return "" }

// durableNow reports whether acknowledgements of a topic that leave now are durable, by what is published: an alter may have made a relaxed topic so.
func (n *node) durableNow(topic string) bool {
	if n.w.durable(topic) {
		return true
	}
	img := n.p.view.Image
	if topic == churnTopic || img == nil { // its records go again while retries of them are answered
		return false
	}
	cfg, _ := config.StoredTopic(n.p.view.Config.At(img), config.Entries(img, image.ResourceTopic, topic))
	return cfg.Durable()
}
