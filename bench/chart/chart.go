// Package chart draws a picture of medians with their intervals, as SVG and PNG.
package chart

import (
	"bytes"
	"image/color"
	"io"
	"math"
	"os"
	"strconv"

	stdfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"odradek/bench/measure"
)

// Chart is one picture before it is drawn.
type Chart struct {
	Name, Title      string
	XLabel, YLabel   string
	LogX, LogY       bool
	Categories       []string // names of x = 0, 1, 2, …; nil: x is a number
	Unconnected      bool     // x has no order: points without lines
	Series           []Series
	Caption, Further string // what is shown; what to look at
}

// Series is one line with its points.
type Series struct {
	Name   string
	Points []Point
}

// Point is a median with its interval.
type Point struct {
	X float64
	Y measure.Interval
}

// The size of a picture: as wide as the text of a printed page.
const (
	width    = 7.2 * vg.Inch
	height   = 4.2 * vg.Inch
	legend   = 1.45 * vg.Inch
	dpi      = 120
	fontSize = 12
	edge     = 5 // points around everything
	lines    = fontSize * 1.7
)

// Colours that keep apart for most colour-blind eyes (Okabe and Ito), ordered so that neighbours differ in brightness too; besides each series has a shape and a
// dash of its own, for print without colour.
var palette = []color.RGBA{{0, 0, 0, 255}, {213, 94, 0, 255}, {0, 114, 178, 255}, {0, 158, 115, 255}, {204, 121, 167, 255}, {86, 180, 233, 255}}

var shapes = []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.TriangleGlyph{}, draw.RingGlyph{}, draw.SquareGlyph{}, draw.PyramidGlyph{}}

var dashes = [][]vg.Length{nil, {vg.Points(7), vg.Points(3)}, {vg.Points(2), vg.Points(2)}, {vg.Points(9), vg.Points(3), vg.Points(2), vg.Points(3)},
	{vg.Points(4), vg.Points(4)}, {vg.Points(12), vg.Points(4)}}

// Count counts those of all series.
func (c *Chart) Count() (n int) {
	for _, s := range c.Series {
		n += len(s.Points)
	}
	return n
}

// Draw makes a PNG and an SVG of the chart.
func (c *Chart) Draw(path string) error { return render(path, width, height, c.on) }

// render draws something as PNG and as SVG.
func render(path string, width, height vg.Length, on func(draw.Canvas) error) error {
	png := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(dpi))}
	svg := vgsvg.New(width, height)
	for _, out := range []struct {
		ext string
		vg.CanvasSizer
		io.WriterTo
	}{{".png", png, png}, {".svg", svg, svg}} {
		if err := on(draw.New(out.CanvasSizer)); err != nil {
			return err
		}
		f, err := os.Create(path + out.ext)
		if err != nil {
			return err
		}
		err = save(f, out.WriterTo, out.ext)
		if e := f.Close(); err == nil {
			err = e
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bold is the type of titles.
var bold = face(fontSize+1, stdfont.WeightBold)

// write writes a line of text.
func write(canvas draw.Canvas, text string, x, y vg.Length, f font.Font, align draw.XAlignment) {
	canvas.FillText(draw.TextStyle{Color: color.Black, Font: f, XAlign: align, Handler: plot.DefaultTextHandler}, vg.Point{X: x, Y: y}, text)
}

// save writes a picture. An SVG names the type it was set in; where that is missing, one of the same widths shall be taken.
func save(f io.Writer, picture io.WriterTo, ext string) error {
	var b bytes.Buffer
	if _, err := picture.WriteTo(&b); err != nil {
		return err
	}
	out := b.Bytes()
	if ext == ".svg" {
		out = bytes.ReplaceAll(out, []byte("font-family:Liberation Sans"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif"))
	}
	_, err := f.Write(out)
	return err
}

// face is the type of all text.
func face(size vg.Length, weight stdfont.Weight) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: size, Weight: weight}
}

// on draws the title and what y is on top, the data below, the legend beside them, where it covers nothing. The axes' names are written here and not by the
// library, which leaves room for them at the wrong place where a scale is logarithmic.
func (c *Chart) on(canvas draw.Canvas) error {
	canvas.SetColor(color.White)
	canvas.Fill(canvas.Rectangle.Path())
	p := plot.New()
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Tick.Label.Font = face(fontSize-1, stdfont.WeightNormal)
	}
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = color.Gray{220}, color.Gray{220}
	p.Add(grid)
	keys := plot.NewLegend()
	keys.Top, keys.Left, keys.Padding, keys.ThumbnailWidth = true, true, vg.Points(6), vg.Points(28)
	keys.TextStyle.Font = face(fontSize-1, stdfont.WeightNormal)
	for i, s := range c.Series {
		if err := c.add(p, &keys, s, i); err != nil {
			return err
		}
	}
	c.axes(p)
	data := draw.Crop(canvas, edge, -legend, edge+lines, -edge-2*lines)
	p.Draw(data)
	write(canvas, c.Title, edge, height-edge-lines*0.8, bold, draw.XLeft)
	write(canvas, c.YLabel, edge, height-edge-lines*1.7, face(fontSize, stdfont.WeightNormal), draw.XLeft)
	write(canvas, c.XLabel, (width-legend)/2+edge, edge+lines*0.2, face(fontSize, stdfont.WeightNormal), draw.XCenter)
	keys.Draw(draw.Crop(canvas, width-legend+vg.Points(10), 0, 0, -edge-2*lines))
	return nil
}

// bars are the intervals of a series as error bars.
type bars struct {
	plotter.XYs
	plotter.YErrors
}

func (c *Chart) add(p *plot.Plot, keys *plot.Legend, s Series, i int) error {
	var b bars
	aside := float64(i) - float64(len(c.Series)-1)/2
	for _, pt := range s.Points {
		x := pt.X // series stand a little side by side, so that bars do not lie on one another
		switch {
		case c.Unconnected:
			x += aside * 0.12
		case c.Categories != nil:
			x += aside * 0.05
		case c.LogX:
			x *= math.Pow(1.02, aside)
		}
		b.XYs = append(b.XYs, plotter.XY{X: x, Y: pt.Y.Median})
		b.YErrors = append(b.YErrors, struct{ Low, High float64 }{pt.Y.Median - pt.Y.Low, pt.Y.High - pt.Y.Median})
	}
	if len(b.XYs) == 0 {
		return nil
	}
	line, dots, err := plotter.NewLinePoints(b.XYs)
	if err != nil {
		return err
	}
	hue := palette[i%len(palette)]
	line.Color, line.Width, line.Dashes = hue, vg.Points(1.6), dashes[i%len(dashes)]
	dots.Color, dots.Shape, dots.Radius = hue, shapes[i%len(shapes)], vg.Points(3.5)
	intervals, err := plotter.NewYErrorBars(b)
	if err != nil {
		return err
	}
	intervals.Color = hue
	if c.Unconnected {
		p.Add(intervals, dots)
		keys.Add(s.Name, dots)
		return nil
	}
	p.Add(intervals, line, dots)
	keys.Add(s.Name, line, dots)
	return nil
}

// axes chooses scales and the numbers on them.
func (c *Chart) axes(p *plot.Plot) {
	if c.Categories != nil {
		var ticks []plot.Tick
		for i, name := range c.Categories {
			ticks = append(ticks, plot.Tick{Value: float64(i), Label: name})
		}
		p.X.Tick.Marker = plot.ConstantTicks(ticks)
		p.X.Min, p.X.Max = -0.4, float64(len(c.Categories))-0.6
	} else if c.LogX {
		logarithmic(&p.X)
	}
	if c.LogY {
		logarithmic(&p.Y)
	} else {
		p.Y.Min = 0
	}
}

// logarithmic makes a scale of powers of ten, with 2 and 5 between them where there is room.
func logarithmic(a *plot.Axis) {
	a.Scale = plot.LogScale{}
	low, high := math.Max(a.Min, 1e-9), math.Max(a.Max, 1e-9)
	a.Min, a.Max = low/1.15, high*1.15
	few := high/low < 300
	var ticks []plot.Tick
	for e := math.Floor(math.Log10(low)) - 1; e <= math.Ceil(math.Log10(high)); e++ {
		for m := 1; m < 10; m++ {
			t := plot.Tick{Value: float64(m) * math.Pow(10, e)}
			if t.Value < a.Min || t.Value > a.Max {
				continue
			}
			if m == 1 || few && (m == 2 || m == 5) {
				t.Label = plain(t.Value)
			}
			ticks = append(ticks, t)
		}
	}
	a.Tick.Marker = plot.ConstantTicks(ticks)
}

// plain prints a number as people write it on an axis.
func plain(v float64) string {
	switch {
	case v >= 1e6:
		return strconv.FormatFloat(v/1e6, 'g', 3, 64) + " M"
	case v >= 1e4:
		return strconv.FormatFloat(v/1e3, 'g', 3, 64) + " k"
	case v >= 1e-4:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'e', 0, 64)
}
