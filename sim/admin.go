package sim

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/prng"
)

// admin makes and deletes topics at the active controller, which it finds by trying one after another. Of each name it knows what may be: what was answered is so, what
// was answered with an error may be so until something else is answered, and a request whose answer was lost may come to pass at any later time.
type admin struct {
	w     *World
	id    int32
	name  string
	opt   *AdminOptions
	rng   prng.Source
	line  *line
	armed Time // of the evAdmin that is coming; 0: none
	again Time
	at    int // the voter that it asks
	left  int
	busy  bool
	makes bool // the request under way makes a topic, or deletes one
	topic int  // that it is about
	known []topicKnown
	done  int // requests that were carried out since faults stopped
}

// topicKnown is what may be of a topic.
type topicKnown struct {
	there, gone bool // both: one of them
	made, wiped bool // a request that makes, or deletes it, may still come to pass
}

// adminTopics is how many names each has.
const adminTopics = 4

func newAdmin(w *World, id int32) *admin {
	a := &admin{w: w, id: id, name: fmt.Sprintf("a%d", id), opt: &w.opt.Admins[id], rng: source(w.opt.Seed, forAdmin+purpose(id))}
	a.left = a.opt.Requests
	for range adminTopics {
		a.known = append(a.known, topicKnown{gone: true})
	}
	a.line = &line{w: w, c: a, name: a.name, talk: a, patient: a.opt.Patience, to: a.address}
	a.poke()
	return a
}

func (a *admin) topicName(i int) string { return fmt.Sprintf("%s.%d", a.name, i) }

func (a *admin) address() string {
	voters := a.w.voters()
	return voters[a.at%len(voters)].address(true)
}

func (a *admin) random() *prng.Source { return &a.rng }

func (a *admin) poke() { a.arm(a.w.now) }

func (a *admin) arm(at Time) {
	if a.armed == 0 || at < a.armed {
		a.armed = max(at, 1)
		a.w.at(event{kind: evAdmin, at: a.armed, who: a.id})
	}
}

// wake does what is due.
func (a *admin) wake() {
	if a.w.now < a.armed || a.armed == 0 || a.w.phase > phaseDrain {
		return
	}
	a.armed = 0
	a.line.work()
	if at, ok := a.line.due(); ok {
		a.arm(max(at, a.w.now+1))
	}
}

// doneAfter is how many requests must be carried out after faults have stopped.
const doneAfter = 2

func (a *admin) finished() bool { return a.done >= doneAfter && !a.busy }

func (a *admin) poll(now Time) kmsg.Request {
	if a.busy || now < a.again || a.w.phase == phaseSafety && a.left == 0 || a.w.phase == phaseDrain && a.done >= doneAfter {
		return nil
	}
	if a.w.phase == phaseSafety {
		a.left--
		a.again = now + Time(a.rng.N(2*uint64(a.w.opt.Safety)/uint64(a.opt.Requests)))
	}
	a.busy, a.topic = true, a.rng.IntN(len(a.known))
	a.makes = !a.known[a.topic].there
	if a.makes {
		return a.create()
	}
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.SetVersion(5)
	req.TimeoutMillis, req.TopicNames = a.opt.TimeoutMs, []string{a.topicName(a.topic)}
	return req
}

func (a *admin) create() kmsg.Request {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(7)
	req.TimeoutMillis = a.opt.TimeoutMs
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = a.topicName(a.topic), int32(between(&a.rng, 1, 3)), 1
	req.Topics = append(req.Topics, t)
	return req
}

func (a *admin) answered(_ kmsg.Request, resp kmsg.Response) {
	a.busy = false
	switch r := resp.(type) {
	case *kmsg.CreateTopicsResponse:
		a.settled(true, errcode.Code(r.Topics[0].ErrorCode), errcode.TopicAlreadyExists)
	case *kmsg.DeleteTopicsResponse:
		a.settled(false, errcode.Code(r.Topics[0].ErrorCode), errcode.UnknownTopicOrPartition)
	}
}

// settled takes the answer to a request that makes a topic (there) or deletes it. already is the code that says it was so before.
func (a *admin) settled(there bool, code, already errcode.Code) {
	t := &a.known[a.topic]
	could, can := t.gone || t.wiped, t.there || t.made // what the topic could be when it was carried out
	if !there {
		could, can = can, could
	}
	switch code {
	case errcode.None, already:
		if code == errcode.None && !could || code == already && !can {
			a.w.fail(Correctness, "metadata", fmt.Sprintf("topic %s is to be there: %t; it is answered %v; it may be there: %t, or gone: %t", a.topicName(a.topic), there, code, t.there || t.made, t.gone || t.wiped))
		}
		t.there, t.gone = there, !there
		if a.w.phase == phaseDrain && a.w.now > a.w.healed {
			a.done++
		}
		a.again = max(a.again, a.w.now+10*Millisecond)
	case errcode.NotController, errcode.RequestTimedOut: // what was appended may yet be committed, before whatever is asked next
		t.there, t.gone = t.there || there, t.gone || !there
		a.elsewhere()
	case errcode.InvalidReplicationFactor: // no broker serves
		a.again = a.w.now + 100*Millisecond
		a.elsewhere()
	default:
		a.w.fail(Correctness, "metadata", fmt.Sprintf("topic %s: %v", a.topicName(a.topic), code))
	}
}

// elsewhere asks another voter next, after a while.
func (a *admin) elsewhere() {
	a.again = max(a.again, a.w.now+20*Millisecond)
	if a.line.ch != nil {
		a.line.drop("another controller is asked")
	}
}

func (a *admin) lost() {
	a.at++
	if t := &a.known[a.topic]; a.busy {
		t.there, t.gone = t.there || a.makes, t.gone || !a.makes
		t.made, t.wiped = t.made || a.makes, t.wiped || !a.makes
	}
	a.busy = false
}

func (a *admin) deadline(now Time) (Time, bool) { return a.again, a.again > now }

func (a *admin) unfinished() string { return "" }

// judge: a topic is there, or not, as it was answered.
func (a *admin) judge(img *image.Image) {
	for i, t := range a.known {
		if _, there := img.Topic(a.topicName(i)); there && !t.there && !t.made || !there && !t.gone && !t.wiped {
			a.w.fail(Correctness, "metadata", fmt.Sprintf("topic %s is there: %t, and what was answered says otherwise", a.topicName(i), there))
		}
	}
}
