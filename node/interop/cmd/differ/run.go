package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// unacknowledged bounds the time that our node has to make records durable that nobody waits for: only then can they be read, which in Kafka they can at once.
const unacknowledged = 2 * time.Second

// run sends one sequence to both brokers.
type run struct {
	kafka, ours *side
	gen         *generator
	report      report
	verbose     bool
}

// step sends the next request. Its differences go to the report.
func (r *run) step(i int) error {
	o := r.gen.next(i)
	results := [2]outcome{}
	replies := [2]kmsg.Response{}
	for k, s := range []*side{r.kafka, r.ours} {
		frame, err := s.frame(o, int32(i))
		if err != nil {
			return fmt.Errorf("request %d, %s: %w", i, o.kind, err)
		}
		if results[k], err = s.link.exchange(frame, o.fenced); err != nil {
			return fmt.Errorf("request %d, %s, %s: %w", i, o.kind, s.name, err)
		}
	}
	if o.fenced && results[0].silent {
		if err := r.awaitEnds(o.req); err != nil {
			return err
		}
	}
	var alone [2][]string
	if o.changes {
		var err error
		if alone, err = r.settled(); err != nil {
			return err
		}
	}
	found := r.outcomes(results)
	for k, s := range []*side{r.kafka, r.ours} {
		if results[k].frame == nil || o.fenced && results[k].silent {
			continue
		}
		var err error
		if replies[k], err = s.read(o.req, &results[k]); err != nil {
			found = append(found, difference{path: "the answer", plain: s.name + " cannot be read", kafka: "", ours: err.Error()})
		}
	}
	if replies[0] != nil && replies[1] != nil {
		found = differences("", "", r.kafka.treeOf(replies[0]), r.ours.treeOf(replies[1]), found)
	}
	found = append(found, r.onOneSide(alone)...)
	r.report.add(i, o, results[0], replies, found)
	if replies[0] != nil && o.then != nil {
		o.then(replies[0])
	}
	if r.verbose {
		fmt.Printf("%d %s v%d %s: %v\n", i, o.kind, o.req.GetVersion(), summary(o.req), &results[0])
	}
	if torn := torn(o, found); len(torn) > 0 {
		alone[0], alone[1] = merge(alone[0], torn), merge(alone[1], torn)
	}
	return r.reconcile(alone)
}

// torn returns the topics in which the brokers differ after a request that one has taken and the other has not: in their logs, or in their configs.
func torn(o *op, found []difference) []string {
	if alter, ok := o.req.(*kmsg.IncrementalAlterConfigsRequest); ok && slices.ContainsFunc(found, func(d difference) bool { return d.plain == "Resources.ErrorCode" }) {
		var out []string
		for _, r := range alter.Resources {
			if r.ResourceType == kmsg.ConfigResourceTypeTopic {
				out = merge(out, []string{r.ResourceName})
			}
		}
		return out
	}
	req, ok := o.req.(*kmsg.ProduceRequest)
	if !ok {
		return nil
	}
	var out []string
	if req.Acks == 0 && (has(o, broken) || has(o, lax)) { // one may have taken what the other has not: nobody tells
		found = append(found, difference{path: "the broker"})
	}
	for _, d := range found {
		if d.path != "the broker" && d.plain != "Topics.Partitions.ErrorCode" && d.plain != "Topics.Partitions.BaseOffset" {
			continue
		}
		for _, t := range req.Topics {
			if d.path == "the broker" || strings.Contains(d.path, "Topic="+t.Topic+" ") || strings.Contains(d.path, "Topic="+t.Topic+"]") {
				out = merge(out, []string{t.Topic})
			}
		}
	}
	return out
}

func merge(a, b []string) []string {
	out := append(append([]string{}, a...), b...)
	slices.Sort(out)
	return slices.Compact(out)
}

// outcomes compares what the brokers did, before what they said.
func (r *run) outcomes(o [2]outcome) []difference {
	a, b := what(&o[0]), what(&o[1])
	if a == b {
		return nil
	}
	return []difference{{path: "the broker", plain: "the broker", kafka: a, ours: b}}
}

func what(o *outcome) string {
	if o.frame != nil {
		return "answers"
	}
	return o.String()
}

// settled waits for Kafka, learns the ids of new topics, and returns the topics that only one side has.
func (r *run) settled() (alone [2][]string, err error) {
	if err := r.kafka.settle(); err != nil {
		return alone, err
	}
	kafka, err := r.kafka.learn()
	if err != nil {
		return alone, err
	}
	ours, err := r.ours.learn()
	if err != nil {
		return alone, err
	}
	return [2][]string{only(kafka, ours), only(ours, kafka)}, nil
}

func only(a, b map[string]bool) []string {
	var out []string
	for name := range a { // any order: sorted below
		if !b[name] && !strings.HasPrefix(name, "__") {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func (r *run) onOneSide(alone [2][]string) []difference {
	var out []difference
	for k, names := range alone {
		for _, name := range names {
			d := difference{path: "topic " + name, plain: "a topic is there", kafka: k == 0, ours: k == 1}
			out = append(out, d)
		}
	}
	return out
}

// reconcile deletes topics that only one side has: else every later request about them would differ.
func (r *run) reconcile(alone [2][]string) error {
	for k, names := range alone {
		if len(names) == 0 {
			continue
		}
		if err := []*side{r.kafka, r.ours}[k].remove(names); err != nil {
			return err
		}
		// The name has been used on one side only; the next topic of that name is to have the same common id on both.
		for _, name := range names {
			lives := max(r.kafka.ids.lives[name], r.ours.ids.lives[name])
			r.kafka.ids.lives[name], r.ours.ids.lives[name] = lives, lives
			if i := slices.IndexFunc(r.gen.topics, func(t *topic) bool { return t.name == name }); i >= 0 {
				r.gen.dead = append(r.gen.dead, r.gen.topics[i])
				r.gen.topics = slices.Delete(r.gen.topics, i, i+1)
			}
		}
		if k == 0 {
			if err := r.kafka.settle(); err != nil {
				return err
			}
		}
	}
	return nil
}

// awaitEnds waits until records that nobody acknowledges can be read in both: logs that do not become equal have come apart, and the topic is dropped (torn).
func (r *run) awaitEnds(req kmsg.Request) error {
	produce, ok := req.(*kmsg.ProduceRequest)
	for deadline := time.Now().Add(unacknowledged); ok && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		kafka, err := r.kafka.ends(produce)
		if err != nil {
			return err
		}
		ours, err := r.ours.ends(produce)
		if err != nil || ours == kafka {
			return err
		}
	}
	return nil
}
