package shrink

import (
	"cmp"
	"fmt"
	"html"
	"slices"
	"strings"

	"odradek/linearizability"
	"odradek/sim"
)

// The timeline is a picture of lanes over virtual time: the faults, the node's processes, and what each client gives and reads.

// Sizes of the picture, in its own units.
const (
	width  = 1120
	left   = 96  // of the lanes
	right  = 24  // beside them
	top    = 34  // above them: the failure's name
	high   = 34  // a lane
	bar    = 14  // what lies in it
	narrow = 2.5 // the least that can be seen
)

// lanes is the picture while it is drawn.
type lanes struct {
	out  strings.Builder
	from sim.Time
	to   sim.Time
	y    int // of the lane
}

// timeline draws the story. The time before the first thing that happened after the start is left out if it is more than a tenth of all.
func (t *Story) timeline() string {
	p := &lanes{to: max(t.Result.Virtual, 1), y: top}
	p.from = t.begins()
	clients := t.busy()
	total := top + high*(2+len(clients)) + 30
	fmt.Fprintf(&p.out, `<svg viewBox="0 0 %d %d" role="img" aria-label="timeline of the run">`, width, total)
	t.shade(p, total)
	p.axis(total)
	t.faultLane(p, total)
	t.nodeLane(p)
	for _, c := range clients {
		t.clientLane(p, c)
	}
	x := p.x(t.Result.Virtual)
	fmt.Fprintf(&p.out, `<line class="fail" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/><text class="failed" x="%.1f" y="%d" text-anchor="end">%s fails</text></svg>`,
		x, x, top-8, total-24, x, top-14, html.EscapeString(t.Result.Oracle))
	return p.out.String()
}

// begins is where the picture begins.
func (t *Story) begins() sim.Time {
	first := t.Result.Virtual
	for _, b := range t.Edit.Faults {
		first = min(first, b.At)
	}
	for i := range t.Ops {
		first = min(first, t.Ops[i].From)
	}
	for _, l := range t.Lines {
		if l.Sort == Node && l.At > 0 {
			first = min(first, l.At)
		}
	}
	if margin := (t.Result.Virtual - first) / 20; first-margin > t.Result.Virtual/10 {
		return first - margin
	}
	return 0
}

// x is where a time lies.
func (p *lanes) x(at sim.Time) float64 {
	return left + float64(max(at, p.from)-p.from)/float64(p.to-p.from)*(width-left-right)
}

// title begins a lane.
func (p *lanes) title(name string) {
	fmt.Fprintf(&p.out, `<text x="%d" y="%d" text-anchor="end">%s</text>`, left-10, p.y+high/2+4, html.EscapeString(name))
}

// box draws something that lasts, with what is told when it is pointed at.
func (p *lanes) box(class string, from, to sim.Time, text string) {
	x := p.x(from)
	fmt.Fprintf(&p.out, `<rect class="%s" x="%.1f" y="%d" width="%.1f" height="%d" rx="2"><title>%s</title></rect>`, class, x, p.y+(high-bar)/2,
		max(narrow, p.x(to)-x), bar, html.EscapeString(text))
}

// axis draws ticks at round times.
func (p *lanes) axis(total int) {
	step := sim.Time(1)
	for n := 0; (p.to-p.from)/step > 8; n++ { // 1, 2, 5, 10, 20
		if step *= 2; n%3 == 1 {
			step = step / 4 * 5
		}
	}
	for at := (p.from + step - 1) / step * step; at <= p.to; at += step {
		fmt.Fprintf(&p.out, `<line class="grid" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/><text class="soft" x="%.1f" y="%d" text-anchor="middle">%s</text>`,
			p.x(at), p.x(at), top, total-24, p.x(at), total-8, at)
	}
}

// shade darkens what lies behind the faults.
func (t *Story) shade(p *lanes, total int) {
	for _, l := range t.Lines {
		if l.Sort == World && (l.Text == phases["phase 1"] || l.Text == phases["phase 5"]) {
			fmt.Fprintf(&p.out, `<rect class="after" x="%.1f" y="%d" width="%.1f" height="%d"/>`, p.x(l.At), top, p.x(p.to)-p.x(l.At), total-24-top)
		}
	}
}

// faultLane numbers the faults as the story does.
func (t *Story) faultLane(p *lanes, total int) {
	p.title("faults")
	n := 0
	for _, l := range t.Lines {
		if l.Sort != Fault {
			continue
		}
		n++
		x, y := p.x(l.At), p.y+high/2
		fmt.Fprintf(&p.out, `<line class="stem" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/><circle class="dot" cx="%.1f" cy="%d" r="9"><title>%s: %s, %s</title></circle>`+
			`<text class="num" x="%.1f" y="%d" text-anchor="middle">%d</text>`, x, x, y, total-24, x, y, clock(l.At), html.EscapeString(l.Text), html.EscapeString(l.Who), x, y+4, n)
	}
	p.y += high
}

// nodeLane shows when a process ran.
func (t *Story) nodeLane(p *lanes) {
	p.title("n0")
	class, since, text := "down", sim.Time(0), "no process"
	for _, l := range t.Lines {
		switch {
		case l.Sort != Node || l.Who != "n0":
			continue
		case l.Text == "starts":
			p.box(class, since, l.At, text)
			class, since, text = "up", l.At, "runs from "+clock(l.At)
		case strings.HasPrefix(l.Text, "down ") || strings.HasPrefix(l.Text, "halted: "):
			p.box(class, since, l.At, text+" to "+clock(l.At))
			class, since, text = "down", l.At, l.Text
		}
	}
	p.box(class, since, t.Result.Virtual, text)
	p.y += high
}

// doings are a lane: what one client gives, or what it reads.
type doings struct {
	client int
	gives  bool
}

// laneOf returns the lane of an operation; false if it is in none.
func laneOf(o *Op) (doings, bool) {
	return doings{o.Process, o.Op == linearizability.Produce}, o.Op == linearizability.Produce || o.Op == linearizability.Poll || o.Op == linearizability.Final
}

// busy are the lanes that have something.
func (t *Story) busy() (out []doings) {
	for i := range t.Ops {
		if d, ok := laneOf(&t.Ops[i]); ok && !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b doings) int {
		return cmp.Or(cmp.Compare(a.client, b.client), map[bool]int{true: -1, false: 1}[a.gives])
	})
	return out
}

// clientLane shows what a client gave, or what it read.
func (t *Story) clientLane(p *lanes, d doings) {
	p.title(t.who(d.client) + map[bool]string{true: " gives", false: " reads"}[d.gives])
	for i := range t.Ops {
		o := &t.Ops[i]
		if lane, ok := laneOf(o); !ok || lane != d {
			continue
		}
		class := "read"
		switch {
		case d.gives && (o.Open || o.Outcome != linearizability.OK):
			class = "open"
		case d.gives:
			class = "give"
		}
		var texts []string
		for _, l := range t.lines(o) {
			texts = append(texts, clock(l.At)+" "+l.Text)
		}
		p.box(class, o.From, o.To, strings.Join(texts, "\n"))
	}
	p.y += high
}
