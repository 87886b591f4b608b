package report

import (
	"errors"
	"fmt"
	"image/color"
	"os"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

func init() { plot.DefaultFont.Variant = "Sans" }

const (
	chartWidth  = 20 * vg.Centimeter
	chartHeight = 10 * vg.Centimeter
	lineWidth   = vg.Length(1.5)
	glyphRadius = vg.Length(2.5)
	// logRoom is how far above the highest value an axis with a logarithmic scale goes: the legend is there.
	logRoom = 8
	// linearRoom is the same for a linear scale.
	linearRoom = 1.35
)

// palette can be told apart by people who do not see all colours.
var palette = []color.Color{
	color.RGBA{0, 114, 178, 255}, color.RGBA{213, 94, 0, 255}, color.RGBA{0, 158, 115, 255}, color.RGBA{204, 121, 167, 255},
	color.RGBA{86, 180, 233, 255}, color.RGBA{230, 159, 0, 255}, color.RGBA{0, 0, 0, 255}, color.RGBA{120, 120, 120, 255},
}

// line is one series of a chart.
type line struct {
	name   string
	color  int
	dashed bool
	points plotter.XYs
}

// chart is a picture with lines. Names, unless nil, stand below the places 0, 1, 2 … of the x axis; lines are then only points.
type chart struct {
	title, x, y string
	logX, logY  bool
	names       []string
	lines       []line
}

// drawn is whether there is anything to see: a logarithmic scale shows no zeros.
func (c chart) drawn() bool {
	return slices.ContainsFunc(c.lines, func(l line) bool { return len(c.shown(l)) > 0 })
}

func (c chart) shown(l line) plotter.XYs {
	var points plotter.XYs
	for _, p := range l.points {
		if (p.X > 0 || !c.logX) && (p.Y > 0 || !c.logY) {
			points = append(points, p)
		}
	}
	return points
}

func (c chart) plot() (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.title, c.x, c.y
	p.Legend.Top, p.Legend.Left, p.Legend.TextStyle.Font.Size = true, true, 9
	p.Add(plotter.NewGrid())
	for _, l := range c.lines {
		if err := c.add(p, l); err != nil {
			return nil, err
		}
	}
	c.scale(p)
	return p, nil
}

func (c chart) add(p *plot.Plot, l line) error {
	points := c.shown(l)
	if len(points) == 0 {
		return nil
	}
	drawnLine, glyphs, err := plotter.NewLinePoints(points)
	if err != nil {
		return fmt.Errorf("draw %s: %w", l.name, err)
	}
	drawnLine.Width, drawnLine.Color = lineWidth, palette[l.color%len(palette)]
	glyphs.Shape, glyphs.Radius, glyphs.Color = draw.CircleGlyph{}, glyphRadius, drawnLine.Color
	if l.dashed {
		drawnLine.Dashes = []vg.Length{4, 3}
	}
	if c.names != nil {
		p.Add(glyphs)
		p.Legend.Add(l.name, glyphs)
		return nil
	}
	p.Add(drawnLine, glyphs)
	p.Legend.Add(l.name, drawnLine, glyphs)
	return nil
}

func (c chart) scale(p *plot.Plot) {
	if c.logX {
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.ConstantTicks(c.places())
	}
	p.Y.Min = min(p.Y.Min, 0)
	p.Y.Max *= linearRoom
	if c.logY {
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
		p.Y.Min, p.Y.Max = c.lowest(), p.Y.Max/linearRoom*logRoom
	}
	if c.names != nil {
		p.NominalX(c.names...)
		p.X.Min, p.X.Max = -0.5, float64(len(c.names))-0.5
	}
}

func (c chart) lowest() float64 {
	lowest := 0.0
	for _, l := range c.lines {
		for _, p := range c.shown(l) {
			if lowest == 0 || p.Y < lowest {
				lowest = p.Y
			}
		}
	}
	return lowest / 1.5
}

// places marks exactly the measured values of the x axis.
func (c chart) places() []plot.Tick {
	var ticks []plot.Tick
	for _, l := range c.lines {
		for _, p := range c.shown(l) {
			ticks = append(ticks, plot.Tick{Value: p.X, Label: strconv.FormatFloat(p.X, 'f', -1, 64)})
		}
	}
	slices.SortFunc(ticks, func(a, b plot.Tick) int { return int(a.Value - b.Value) })
	return slices.Compact(ticks)
}

// drawSVG writes charts below one another into a file; those with nothing to see are left out.
func drawSVG(path string, charts ...chart) (err error) {
	var plots [][]*plot.Plot
	for _, c := range charts {
		if !c.drawn() {
			continue
		}
		p, err := c.plot()
		if err != nil {
			return err
		}
		plots = append(plots, []*plot.Plot{p})
	}
	if len(plots) == 0 {
		return nil
	}
	canvas := vgsvg.New(chartWidth, chartHeight*vg.Length(len(plots)))
	tiles := draw.Tiles{Rows: len(plots), Cols: 1, PadY: 0.5 * vg.Centimeter, PadX: 0.5 * vg.Centimeter, PadTop: 4, PadBottom: 4, PadLeft: 4, PadRight: 12}
	for row, tile := range plot.Align(plots, tiles, draw.New(canvas)) {
		plots[row][0].Draw(tile[0])
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = canvas.WriteTo(file)
	return err
}
