package main

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// alterations are good settings of a topic that is there.
var alterations = []string{"retention.ms=123456789", "retention.ms=-1", "retention.bytes=1000000000", "max.message.bytes=3000", "max.message.bytes=1048588",
	"segment.bytes=1048576", "message.timestamp.after.max.ms=1000", "message.timestamp.before.max.ms=100000", "flush.messages=1000", "min.insync.replicas=1",
	"unclean.leader.election.enable=true", "segment.ms=100000", "index.interval.bytes=100", "delete.retention.ms=5", "min.cleanable.dirty.ratio=0.25",
	"cleanup.policy=delete", "compression.type=producer", "segment.jitter.ms=0", "message.timestamp.type=CreateTime"}

// resource draws what a config request may name; t is nil if it is no topic.
func (g *generator) resource() (kind kmsg.ConfigResourceType, name string, t *topic) {
	switch g.IntN(16) {
	case 0:
		return kmsg.ConfigResourceTypeBroker, pick(g, "2", "x", "-1", " 1"), nil
	case 1:
		return kmsg.ConfigResourceTypeGroupConfig, pick(g, "group", ""), nil
	case 2:
		return kmsg.ConfigResourceTypeClientMetrics, pick(g, "metrics", ""), nil
	case 3:
		return pick(g, kmsg.ConfigResourceType(0), 1, 3, 77), "t1", nil
	}
	t = g.topicMaybe()
	return kmsg.ConfigResourceTypeTopic, t.name, t
}

func (g *generator) describeConfigs() *op {
	req := kmsg.NewPtrDescribeConfigsRequest()
	g.version(req)
	req.IncludeSynonyms, req.IncludeDocumentation = g.chance(2), g.chance(4)
	seen := map[string]bool{}
	for range 1 + g.IntN(2) {
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName, _ = g.resource()
		if g.chance(6) {
			r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeBroker, pick(g, "1", "")
		}
		if g.chance(3) {
			r.ConfigNames = pick(g, []string{}, []string{"retention.ms"}, []string{"cleanup.policy", "no.such.key"}, []string{"segment.bytes", "segment.bytes"},
				[]string{"log.retention.ms", "listeners"})
		}
		if id := r.ResourceType.String() + r.ResourceName; !seen[id] {
			seen[id], req.Resources = true, append(req.Resources, r)
		}
	}
	return &op{req: req}
}

// alters wraps a request that changes configs; done are the settings that it makes of topics, a nil value of one that goes.
func alters(known *knowledge, req kmsg.Request, done map[*topic]map[string]*string, replace bool, refused func(resp kmsg.Response) map[string]bool) *op {
	return &op{req: req, changes: true, then: func(resp kmsg.Response) {
		bad := refused(resp)
		for t, set := range done { // any order: topics are independent
			if bad[t.name] {
				continue
			}
			if replace {
				t.configs = map[string]string{}
			}
			for k, v := range set { // any order: keys are independent
				if delete(t.configs, k); v != nil {
					t.configs[k] = *v
				}
			}
			t.reread()
			known.rolled[t.name] = known.rolled[t.name] || set["segment.ms"] != nil
		}
	}}
}

func (g *generator) incrementalAlterConfigs() *op {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	g.version(req)
	req.ValidateOnly = g.chance(6)
	done := map[*topic]map[string]*string{}
	for range 1 + g.IntN(2) {
		r := kmsg.NewIncrementalAlterConfigsRequestResource()
		var t *topic
		if r.ResourceType, r.ResourceName, t = g.resource(); r.ResourceType == kmsg.ConfigResourceTypeGroupConfig || r.ResourceType == kmsg.ConfigResourceTypeClientMetrics {
			r.ResourceName = ""
		}
		set := map[string]*string{}
		for range 1 + g.IntN(2) {
			c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
			name, value, _ := strings.Cut(pick(g, alterations...), "=")
			if g.chance(4) {
				name, value, _ = strings.Cut(pick(g, badConfigs...), "=")
			}
			c.Name, c.Value = name, &value
			if g.chance(5) {
				c.Op, c.Value = kmsg.IncrementalAlterConfigOpDelete, nil
			} else if g.chance(10) {
				c.Op = pick(g, kmsg.IncrementalAlterConfigOpAppend, kmsg.IncrementalAlterConfigOpSubtract, kmsg.IncrementalAlterConfigOp(9))
			} else if g.chance(20) {
				c.Value = nil
			}
			set[c.Name] = c.Value
			r.Configs = append(r.Configs, c)
		}
		if t != nil && !req.ValidateOnly {
			done[t] = set
		}
		req.Resources = append(req.Resources, r)
	}
	return alters(g.known, req, done, false, func(resp kmsg.Response) map[string]bool {
		bad := map[string]bool{}
		for _, r := range resp.(*kmsg.IncrementalAlterConfigsResponse).Resources {
			bad[r.ResourceName] = bad[r.ResourceName] || r.ErrorCode != 0
		}
		return bad
	})
}

func (g *generator) alterConfigs() *op {
	req := kmsg.NewPtrAlterConfigsRequest()
	g.version(req)
	req.ValidateOnly = g.chance(6)
	r := kmsg.NewAlterConfigsRequestResource()
	var t *topic
	if r.ResourceType, r.ResourceName, t = g.resource(); r.ResourceType == kmsg.ConfigResourceTypeGroupConfig || r.ResourceType == kmsg.ConfigResourceTypeClientMetrics {
		r.ResourceName = ""
	}
	set := map[string]*string{}
	for range g.IntN(4) {
		c := kmsg.NewAlterConfigsRequestResourceConfig()
		name, value, _ := strings.Cut(pick(g, alterations...), "=")
		if g.chance(5) {
			name, value, _ = strings.Cut(pick(g, badConfigs...), "=")
		}
		if c.Name, c.Value = name, &value; g.chance(15) {
			c.Value = nil
		}
		set[c.Name] = c.Value
		r.Configs = append(r.Configs, c)
	}
	req.Resources = append(req.Resources, r)
	done := map[*topic]map[string]*string{}
	if t != nil && !req.ValidateOnly {
		done[t] = set
	}
	return alters(g.known, req, done, true, func(resp kmsg.Response) map[string]bool {
		bad := map[string]bool{}
		for _, r := range resp.(*kmsg.AlterConfigsResponse).Resources {
			bad[r.ResourceName] = bad[r.ResourceName] || r.ErrorCode != 0
		}
		return bad
	})
}
