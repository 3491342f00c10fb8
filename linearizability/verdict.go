package linearizability

import (
	"fmt"
	"io"
)

// Options of Check.
type Options struct {
	Guarantee Guarantee                                 // what every producing client was promised; "": what its history says
	Draw      func(part string) (io.WriteCloser, error) // where Porcupine's page of a partition that fails goes; nil: nowhere
	Jepsen    bool                                      // only the anomalies of Jepsen's workload, no search
}

// Finding is an anomaly that is not allowed.
type Finding struct {
	Anomaly Anomaly
	Part    string // topic-partition
	Process int    // whose operation shows it; 0 of an operation without a process
	Call    int64
	Text    string
}

func (f Finding) String() string {
	return fmt.Sprintf("%s: %s, process %d at %d: %s", f.Anomaly, f.Part, f.Process, f.Call, f.Text)
}

// Verdict is what the judges say of a history.
type Verdict struct {
	Findings   []Finding       // the first findingsMax of them
	Forbidden  map[Anomaly]int // how often each that is not allowed was found
	Allowed    map[Anomaly]int // and each that is
	Operations int
	Values     int // sent
	Parts      int
}

// findingsMax bounds the list of findings: one cause may show at every record.
const findingsMax = 100

// Good reports whether nothing is wrong.
func (v *Verdict) Good() bool { return len(v.Forbidden) == 0 }

// Check judges a history. The error is that of Draw; what is wrong with the history is in the verdict.
func Check(h History, o Options) (*Verdict, error) {
	v := &Verdict{Forbidden: map[Anomaly]int{}, Allowed: map[Anomaly]int{}}
	promised := map[int]Guarantee{}
	for i := range h {
		switch op := &h[i]; op.Op {
		case Client:
			promised[op.Process] = op.Guarantee
			continue
		case Produce:
			v.Values += len(op.Values)
		}
		v.Operations++
	}
	for _, p := range split(h) {
		v.Parts++
		p.report = func(a Anomaly, op *Operation, format string, args ...any) {
			v.enter(p, a, op, o.promise(promised, op), format, args...)
		}
		p.anomalies()
		if o.Jepsen {
			continue
		}
		if err := p.linearize(o.Draw); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// promise is what the sender of an operation was promised: exactly once, if nothing else is said.
func (o *Options) promise(promised map[int]Guarantee, op *Operation) Guarantee {
	switch {
	case o.Guarantee != "":
		return o.Guarantee
	case promised[op.Process] != "":
		return promised[op.Process]
	}
	return ExactlyOnce
}

func (v *Verdict) enter(p *part, a Anomaly, op *Operation, g Guarantee, format string, args ...any) {
	if g.Allows(a) {
		v.Allowed[a]++
		return
	}
	v.Forbidden[a]++
	if len(v.Findings) < findingsMax {
		v.Findings = append(v.Findings, Finding{a, p.name, op.Process, op.Call, fmt.Sprintf(format, args...)})
	}
}
