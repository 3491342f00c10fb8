package main

import (
	"fmt"
	"io"
	"os"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/cwriter"
	"github.com/vbauerster/mpb/v8/decor"

	"odradek/bench/run"
)

// progress shows a bar on a terminal, and otherwise a line for each tenth of the way.
type progress struct {
	out   io.Writer
	bars  *mpb.Progress
	bar   *mpb.Bar
	cell  string
	tenth int
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out}
	if file, ok := out.(*os.File); ok && cwriter.IsTerminal(int(file.Fd())) {
		p.bars = mpb.New(mpb.WithOutput(out), mpb.WithWidth(40))
	}
	return p
}

const tenths = 10

// done is told after each run.
func (p *progress) done(n, total int, r *run.Record) {
	if r.Error != "" {
		p.print(fmt.Sprintf("failed: %s: %s\n", r.ID, r.Error))
	}
	p.cell = r.ID
	if p.bars == nil {
		if t := n * tenths / total; t > p.tenth {
			p.tenth = t
			fmt.Fprintf(p.out, "%d of %d runs\n", n, total)
		}
		return
	}
	if p.bar == nil {
		p.bar = p.bars.AddBar(int64(total), mpb.PrependDecorators(decor.Name("runs "), decor.CountersNoUnit("%d / %d")),
			mpb.AppendDecorators(decor.AverageETA(decor.ET_STYLE_GO), decor.Any(func(decor.Statistics) string { return "  " + p.cell })))
	}
	p.bar.SetCurrent(int64(n))
}

// print writes a line above the bar.
func (p *progress) print(line string) {
	if p.bars != nil {
		_, _ = p.bars.Write([]byte(line))
		return
	}
	fmt.Fprint(p.out, line)
}

func (p *progress) end() {
	if p.bar != nil {
		p.bar.Abort(false)
		p.bars.Wait()
	}
}
