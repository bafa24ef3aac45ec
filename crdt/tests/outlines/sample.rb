# frozen_string_literal: true

require "set"

module Example
  # Counts.
  class Counter < Base
    include Comparable
    MOST = 8

    attr_reader :total

    def initialize(total = 0)
      @total = total
    end

    # Adds one.
    def add(x)
      @total += x
    end

    def self.make
      new
    end

    private def hidden
      1
    end

    class << self
      def other; end
    end
  end
end

def main
  puts <<~TEXT
    hello
  TEXT
end
