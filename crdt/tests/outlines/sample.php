<?php

declare(strict_types=1);

namespace App\Models;

use App\Base;

/**
 * Counts.
 */
#[Entity]
final class Counter extends Base implements Countable
{
    use Loggable;

    public const MOST = 8;
    private int $total = 0;

    public function __construct(private string $name)
    {
    }

    /** Adds. */
    public function add(int $x): self
    {
        $this->total += $x;
        return $this;
    }
}

interface Shape
{
    public function area(): float;
}

enum Suit: string
{
    case Hearts = 'H';
    case Spades = 'S';
}

function helper($x)
{
    return $x;
}
